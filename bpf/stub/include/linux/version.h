/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The oldest kernel that the programs are for; the kernel itself ignores the number since 5.0. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)
