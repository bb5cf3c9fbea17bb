/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * Included by bcc for socket filters, which are not used here. */
