package bcc

import "testing"

func TestPrune(t *testing.T) {
	const head = "// One file.\n\n#include <linux/types.h>\nBPF_HASH(pending, u64);\n"
	const inner = "// inner is called.\nstatic __always_inline u64 inner(struct call *c,\n\t\t\t\t u32 n)\n{\n\treturn c->id + n;\n}\n"
	const outer = "static int outer(void)\n{\n\tif (1) {\n\t\treturn inner(0, 1);\n\t}\n\treturn 0;\n}\n"
	const unused = "// unused is called by nothing: not_there.\nstatic __always_inline struct call *unused(void)\n{\n\treturn outer();\n}\n"
	const program = "int program(void *ctx) { return outer(); }\n"
	for name, test := range map[string]struct{ code, want string }{
		"nothing":                  {"", ""},
		"no function":              {head, head},
		"all are used":             {head + inner + "\n" + outer + program, head + inner + "\n" + outer + program},
		"one is not":               {head + inner + "\n" + unused + outer + program, head + inner + "\n" + outer + program},
		"without a program":        {head + inner + unused + outer, head},
		"by a macro":               {"#define CALL inner(c, 1)\n" + inner, "#define CALL inner(c, 1)\n" + inner},
		"behind a literal":         {"#define NAMES is(name, \"a//b\") || inner(c, 1)\n" + inner, "#define NAMES is(name, \"a//b\") || inner(c, 1)\n" + inner},
		"by a comment":             {"// CALL inner(c, 1)\n\n" + inner, "// CALL inner(c, 1)\n\n"},
		"by itself":                {"static int again(int n)\n{\n\treturn again(n);\n}\n", ""},
		"one of two of a name":     {"#if A\n" + inner + "#else\n" + inner + "#endif\n" + outer + program, "#if A\n" + inner + "#else\n" + inner + "#endif\n" + outer + program},
		"declared":                 {"static int f(int n);\n" + inner, "static int f(int n);\n"},
		"declared in lines":        {"static int inner(struct call *c,\n\t\t u32 n);\n" + inner, "static int inner(struct call *c,\n\t\t u32 n);\n" + inner},
		"a variable":               {"static int n = f(1);\nint m;\n", "static int n = f(1);\nint m;\n"},
		"a pointer to a function":  {"static bool (*f)(void *ctx) = (void *)1;\n", "static bool (*f)(void *ctx) = (void *)1;\n"},
		"its end is not there":     {"static int f(int n)\n{\n\treturn n;\n", "static int f(int n)\n{\n\treturn n;\n"},
		"no newline at its end":    {"int a;\nint b;", "int a;\nint b;"},
		"a comment above the rest": {"// Here.\nint a;\n", "// Here.\nint a;\n"},
	} {
		if got := Prune(test.code, nil); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	if got := Prune(inner+unused, []string{"-DCALL=inner(c, 1)"}); got != inner {
		t.Errorf("by a flag: %q", got)
	}
}
