/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The maps, and the match: from a registered service to a registered forged range whose lease lives. */
#ifndef GRYPHON_MATCH_H
#define GRYPHON_MATCH_H

#include "packet.h"

#define SERVICES_MAX 4096
#define RANGES_MAX 65536
#define RANGES_NESTED 8      /* Ranges inside each other that are looked through for a living one. */
#define SERVICE_UNKNOWN 0xffff

struct service {
	struct in6_addr address; /* Network byte order, IPv4 mapped. */
	__be16 port;
	__u16 zero;
};

struct range {
	__u32 prefix;            /* Bits, of 128. */
	struct in6_addr network;
};

struct lease {
	__u64 deadline_ns;       /* CLOCK_MONOTONIC; from here on the range passes, controller or not. */
	__u16 generation;
	__u16 prefix;            /* That of its range, which the trie does not tell. */
	__u32 ring;              /* Which ring its records go to. */
};

struct counters {
	__u64 matched;           /* Dropped: recorded + ring_full + malformed. */
	__u64 recorded;
	__u64 ring_full;
	__u64 passed;
	__u64 malformed;
};

BPF_TABLE("hash", struct service, __u32, services, SERVICES_MAX);
BPF_TABLE("hash", struct in6_addr, __u32, addresses, SERVICES_MAX);
BPF_F_TABLE("lpm_trie", struct range, struct lease, ranges, RANGES_MAX, BPF_F_NO_PREALLOC);
BPF_TABLE("percpu_array", int, struct counters, counters, 1);

/* Finds the service: by address and port where the packet has both, else any at its address. */
static __always_inline bool match_service(struct packet *p)
{
	struct service key = { .address = p->source, .port = p->service_port };
	__u32 *index;

	if (p->known == KNOWN_ADDRESSES)
		return addresses.lookup(&p->source);
	index = services.lookup(&key);
	if (!index)
		return false;
	p->record.service = *index;
	return true;
}

/* Finds the narrowest range with a living lease: one that has run out must not hide a wider one. The clock is dear, and
 * read only for what goes to a forged address. */
static __always_inline bool match_range(struct packet *p)
{
	struct range key = { .prefix = 128, .network = p->destination };

	for (int i = 0; i < RANGES_NESTED; i++) {
		struct lease *lease = ranges.lookup(&key);

		if (!lease)
			return false;
		if (!i)
			p->record.time_ns = bpf_ktime_get_ns();
		if (p->record.time_ns < lease->deadline_ns) {
			p->record.generation = lease->generation;
			p->ring = lease->ring;
			return true;
		}
		if (!lease->prefix)
			return false;
		key.prefix = lease->prefix - 1;
	}
	return false;
}

static __always_inline bool match(struct packet *p)
{
	return p->known != KNOWN_NOTHING && match_service(p) && match_range(p);
}

#endif
