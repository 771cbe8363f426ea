// SPDX-License-Identifier: GPL-2.0-only
// Empty: libbcc includes it for its network helpers, which nothing here uses.
