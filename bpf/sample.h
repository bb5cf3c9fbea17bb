/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The payload sample: the first SAMPLE bytes of a segment's payload behind its record. The loader defines SAMPLE, a
 * multiple of 8, since the ring rounds every record up to that (kernel/bpf/ringbuf.c); with 0 nothing of this is
 * compiled into the program. */
#ifndef GRYPHON_SAMPLE_H
#define GRYPHON_SAMPLE_H

#include "packet.h"

struct sampled { /* What the ring holds: all of one size. */
	struct record record;
	__u8 sample[SAMPLE]; /* Zero behind the record's sample_length. */
};

enum hook { HOOK_XDP, HOOK_EGRESS };

#if SAMPLE

/* By its number (include/uapi/linux/bpf.h), since bcc 0.26 does not declare it. */
static long (*load_xdp)(void *ctx, __u32 offset, void *to, __u32 length) = (void *)189; /* bpf_xdp_load_bytes */

/* Also where the bytes lie in other pages than the headers, which no pointer into the packet reaches. */
static __always_inline long load_bytes(void *ctx, enum hook hook, __u32 offset, void *to, __u32 length)
{
	return hook == HOOK_XDP ? load_xdp(ctx, offset, to, length) : bpf_skb_load_bytes(ctx, offset, to, length);
}

/* A loop that stays one: unrolled, the largest sample would be 128 instructions. */
static __always_inline void clear_sample(__u8 *sample)
{
	#pragma clang loop unroll(disable)
	for (int i = 0; i < SAMPLE; i += 8) {
		barrier();
		*(__u64 *)(sample + i) = 0;
	}
}

/* Copies the payload's beginning and gives its length: 0 where there is no payload, or it cannot be read. The ring's
 * memory still holds old records: what is not written here must not be seen as this packet's. */
static __always_inline __u32 take_sample(__u8 *sample, __u64 offset, __u64 length, void *ctx, enum hook hook)
{
	__u64 last;

	if (length < SAMPLE)
		clear_sample(sample);
	else
		length = SAMPLE;
	last = length - 1; /* One comparison gives the verifier both bounds, also that of Linux 6.1. */
	barrier_var(last);
	if (last >= SAMPLE)
		return 0;
	if (!load_bytes(ctx, hook, offset, sample, last + 1))
		return last + 1;
	clear_sample(sample);
	return 0;
}

#endif

#endif
