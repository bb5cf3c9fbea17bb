/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * Where a packet's findings are gathered: in a map, whose contents the verifier does not follow. On the stack every
 * combination of findings would be a state of its own, and the program too large for it. */
#ifndef GRYPHON_WORKSPACE_H
#define GRYPHON_WORKSPACE_H

#include "packet.h"

enum { WORKSPACE_PACKET, WORKSPACE_QUOTE, WORKSPACES };

BPF_TABLE("percpu_array", int, struct packet, workspaces, WORKSPACES);

/* Gives an empty one. The program is never interrupted by itself: softirqs do not nest. */
static __always_inline struct packet *workspace(int which)
{
	struct packet *p = workspaces.lookup(&which);

	if (p)
		__builtin_memset(p, 0, sizeof(*p));
	return p;
}

#endif
