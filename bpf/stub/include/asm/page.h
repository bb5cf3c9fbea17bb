/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * bcc counts a ring in pages; the loader defines PAGE_SIZE as the running kernel has it. */
#ifndef PAGE_SIZE
#error "PAGE_SIZE comes from the loader"
#endif
