// SPDX-License-Identifier: GPL-2.0-only
// Empty: libbcc includes it for roundup_pow_of_two, which nothing here uses.
