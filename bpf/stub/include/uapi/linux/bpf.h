/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * Empty: bcc brings its own, and the two would collide. */
