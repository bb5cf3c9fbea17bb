/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * UAPI linux/icmp.h takes one number from the header of this name, which would bring the C library's sockets along. */
#define IFNAMSIZ 16
