/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * Included by bcc for table kinds that are not used here. */
