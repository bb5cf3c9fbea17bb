/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The first services and ranges once more, in an array: the verifier inlines its look-up, and comparing the one or two
 * that most runs have costs a tenth of a hash and a trie. These remain the whole truth, and are asked when the array
 * does not have everything. controller/few.py writes it, word by word through shared memory: every word is valid by
 * itself, and an entry counts from its last word on. */
#ifndef GRYPHON_FEW_H
#define GRYPHON_FEW_H

#define FEW 8
#define FEW_KEY(port) (1 << 16 | (port))

struct few_service {
	__u64 address_hi;   /* Host byte order, as in the record. */
	__u64 address_lo;
	__u64 key;          /* index << 32 | FEW_KEY; 0: the entry is free. */
};

struct few_range {
	__u64 mask_hi;
	__u64 mask_lo;
	__u64 network_hi;
	__u64 network_lo;
	__u64 lease;        /* Prefix of 128 << 48 | generation << 32 | ring: the narrowest is the largest. */
	__u64 deadline_ns;  /* 0: the entry is free. */
};

struct few {
	__u64 services_used; /* Entries from here on are free. */
	__u64 services_more; /* Services that are in the hash only. */
	__u64 ranges_used;
	__u64 ranges_more;
	struct few_service services[FEW];
	struct few_range ranges[FEW];
};

BPF_F_TABLE("array", int, struct few, few, 1, BPF_F_MMAPABLE);

struct few_lease {
	__u64 lease;         /* 0: none. */
	__u64 deadline_ns;
};

/* Gives the key of a service, 0 when it is not here: a number out of a map, so that the verifier sees one case, not eight. */
static __always_inline __u64 few_service(struct few *f, __u64 hi, __u64 lo, __u16 port)
{
	for (int i = 0; i < FEW; i++) {
		struct few_service *s = &f->services[i];

		if (i >= f->services_used)
			break;
		if ((__u32)s->key == FEW_KEY(port) && s->address_lo == lo && s->address_hi == hi)
			return *(volatile __u64 *)&s->key;
	}
	return 0;
}

/* Gives the narrowest range that has the address, whether it lives or not. */
static __always_inline struct few_lease few_range(struct few *f, __u64 hi, __u64 lo)
{
	struct few_lease found = {};

	for (int i = 0; i < FEW; i++) {
		struct few_range *r = &f->ranges[i];
		__u64 deadline;

		if (i >= f->ranges_used)
			break;
		deadline = *(volatile __u64 *)&r->deadline_ns;
		if (!deadline || (lo & r->mask_lo) != r->network_lo || (hi & r->mask_hi) != r->network_hi)
			continue;
		if (r->lease > found.lease) {
			found.lease = r->lease;
			found.deadline_ns = deadline;
		}
	}
	return found;
}

#endif
