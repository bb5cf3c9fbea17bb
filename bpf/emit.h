/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * A matched packet's record into its lease's ring, with a wake-up only where the reader sleeps. The loader's caller
 * may define RINGS; with one, which is the usual case, nothing of a choice is compiled in. */
#ifndef GRYPHON_EMIT_H
#define GRYPHON_EMIT_H

#include "match.h"
#include "sample.h"

#ifndef RINGS
#define RINGS 1
#endif

BPF_RINGBUF_OUTPUT(ring, RING_BYTES / PAGE_SIZE);
#if RINGS > 1
BPF_ARRAY_OF_MAPS(rings, "ring", RINGS);
#endif
BPF_F_TABLE("array", int, __u64, sleeping, RINGS, BPF_F_MMAPABLE);

/* Gives room for a record in a ring. */
static __always_inline void *reserve(__u32 which)
{
#if RINGS > 1
	void *chosen = rings.lookup(&which);

	return chosen ? bpf_ringbuf_reserve(chosen, sizeof(struct sampled), 0) : 0;
#else
	return ring.ringbuf_reserve(sizeof(struct sampled));
#endif
}

static __always_inline __u64 swap_u64(const __be32 *words)
{
	return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

/* Says which service an ICMP error concerns, where the quoted packet tells. */
static __always_inline __u16 quoted_service(struct packet *p)
{
	struct service key = { .address = p->service, .port = p->service_port };
	__u32 *index = services.lookup(&key);

	return index ? *index : SERVICE_UNKNOWN;
}

/* A reader that fell asleep between the look at the flag and the submission would sleep on: the submission is a full
 * barrier (kernel/bpf/ringbuf.c, bpf_ringbuf_commit), so a second look after it sees the flag or the reader sees
 * the record. */
static __always_inline void submit(struct sampled *s, __u32 which)
{
	volatile __u64 *asleep = sleeping.lookup(&which);
	bool was_asleep = asleep && *asleep;

	ring.ringbuf_submit(s, was_asleep ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	if (was_asleep || !asleep || !*asleep)
		return;
	s = reserve(which);
	if (s)
		ring.ringbuf_discard(s, BPF_RB_FORCE_WAKEUP);
}

/* Gives false when the ring is full. */
static __always_inline bool emit(struct packet *p, void *ctx, enum hook hook)
{
	struct sampled *s = reserve(p->ring);
	struct record *r;

	if (!s)
		return false;
	r = &s->record;
	*r = p->record;
	r->address_hi = swap_u64(&p->destination.s6_addr32[0]);
	r->address_lo = swap_u64(&p->destination.s6_addr32[2]);
	if (r->kind == RECORD_ICMP)
		r->service = quoted_service(p);
	else if (r->kind == RECORD_FRAGMENT)
		r->service = SERVICE_UNKNOWN;
#if SAMPLE
	r->sample_length = take_sample(s->sample, p->offset, *(volatile __u32 *)&p->record.length, ctx, hook);
#endif
	submit(s, p->ring);
	return true;
}

#endif
