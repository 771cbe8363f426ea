// SPDX-License-Identifier: GPL-2.0-only
// Empty: libbcc includes it for PAGE_SIZE, which nothing here uses.
