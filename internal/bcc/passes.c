// SPDX-License-Identifier: Apache-2.0

// What LLVM 14 does to a program before it makes instructions of it. libbcc has it inline what clang
// has left as it was, with every variable in memory, and then do all that -O3 means
// (BPFModule::run_pass_manager in its src/cc/bpf_module.cc). Here variables become values before they
// are copied from function to function, and of -O3 there is what a small program without calls has
// use for: that takes half the time, and the instructions are as good. LLVM's C functions add the
// passes. With another LLVM libbcc has its way: from 15 on its passes are put together within
// libbcc, and with those before 14 this has not been measured.
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <stdio.h>

static const char *const names[] = {
	// The kernel's functions are numbers in variables.
	"GlobalOptimizer",
	// Each function, by itself.
	"ScalarReplAggregates",
	"EarlyCSEMemSSA",
	"InstructionCombining",
	"CFGSimplification",
	// Loops, most of which are to be unrolled: without each of those before it LoopUnroll leaves
	// some.
	"LoopRotate",
	"LICM",
	"InstructionCombining",
	"IndVarSimplify",
	"LoopUnroll",
	"CFGSimplification",
	// The conditions. A second time leaves fewer paths for the verifier to look at.
	"JumpThreading",
	"CorrelatedValuePropagation",
	"GVN",
	"InstructionCombining",
	"JumpThreading",
	"CorrelatedValuePropagation",
	"DeadStoreElimination",
	"LICM",
	"AggressiveDCE",
	"CFGSimplification",
	"InstructionCombining",
};

#define PASSES (sizeof(names) / sizeof(*names))

static bool complete; // whether all of these are there, and LLVM 14's
static void (*add[PASSES])(void *passes);
static void *(*make_promotion)(void);

// libbcc's own way.
static void *(*make_inlining)(void);
static void (*populate)(void *builder, void *passes);

void shim_find_passes(void *libbcc)
{
	const char *llvm = "LLVM_14"; // the version of its symbols

	make_promotion = dlvsym(libbcc, "_ZN4llvm33createPromoteMemoryToRegisterPassEv", llvm);
	make_inlining = dlsym(libbcc, "_ZN4llvm26createFunctionInliningPassEv");
	populate = dlsym(libbcc, "_ZN4llvm18PassManagerBuilder25populateModulePassManagerERNS_"
				 "6legacy15PassManagerBaseE");
	complete = make_promotion;
	for (size_t i = 0; i < PASSES; i++) {
		char name[64];

		snprintf(name, sizeof(name), "LLVMAdd%sPass", names[i]);
		add[i] = dlvsym(libbcc, name, llvm);
		complete = complete && add[i];
	}
}

void *shim_first_pass(void)
{
	return complete ? make_promotion() : make_inlining();
}

void shim_add_passes(void *builder, void *passes)
{
	if (!complete) {
		populate(builder, passes);
		return;
	}
	for (size_t i = 0; i < PASSES; i++)
		add[i](passes);
}
