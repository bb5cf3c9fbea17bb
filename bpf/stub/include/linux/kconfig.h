/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The one configuration symbol that bcc insists on. */
#define CONFIG_BPF_SYSCALL 1
