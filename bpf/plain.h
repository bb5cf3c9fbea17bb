/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The short way of a plain segment: IPv4 or IPv6 right behind the Ethernet header, TCP right behind that, no option
 * but the timestamp, its service and range among the few. That is all but the handshake of most runs. It is matched in
 * registers and written straight into the ring. Whatever is otherwise goes the long way (parse.h, transport.h, match.h),
 * which gives the same for a plain segment: tests hold the two to it. */
#ifndef GRYPHON_PLAIN_H
#define GRYPHON_PLAIN_H

#include "transport.h"
#include "emit.h"
#include "few.h"

enum way { WAY_LONG, WAY_PASS, WAY_DROP };

struct plain {
	__u64 source_hi;        /* Addresses as in the record. */
	__u64 source_lo;
	__u64 destination_hi;
	__u64 destination_lo;
	struct tcphdr *tcp;
	__u64 offset;           /* Of the TCP header in the frame. */
	__u64 left;             /* Bytes of the packet from there on. */
	__u8 version;
};

struct stamp { /* RFC 7323, appendix A */
	__be32 head;
	__be32 value;
	__be32 echo;
};

static __always_inline __u64 frame_length(void *ctx, enum hook hook)
{
	return hook == HOOK_XDP ? bpf_xdp_get_buff_len(ctx) : ((struct __sk_buff *)ctx)->len;
}

/* The packet must not be longer than its frame; XDP's length is a call, and for packets in several buffers only. Compared as
 * numbers: Linux 6.1 knows no bound of a length whose bytes were swapped, and lets it not be added to a pointer. */
static __always_inline bool is_whole(const struct window *w, __u64 bytes, void *ctx, enum hook hook)
{
	return bytes <= (__u64)(w->end - w->data) || bytes <= frame_length(ctx, hook);
}

static __always_inline bool plain_ipv4(struct plain *p, const struct window *w, void *ctx, enum hook hook)
{
	struct iphdr *ip = w->data + sizeof(struct ethhdr);
	__u64 total;

	p->tcp = (void *)(ip + 1);
	if ((void *)(p->tcp + 1) > w->end || *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_TCP)
		return false;
	total = bpf_ntohs(ip->tot_len);
	if (ip->frag_off & bpf_htons(IP_FRAGMENT) || total < sizeof(*ip) + sizeof(struct tcphdr))
		return false;
	p->source_hi = 0;
	p->source_lo = 0xffffULL << 32 | bpf_ntohl(ip->saddr);
	p->destination_hi = 0;
	p->destination_lo = 0xffffULL << 32 | bpf_ntohl(ip->daddr);
	p->offset = sizeof(struct ethhdr) + sizeof(*ip);
	p->left = total - sizeof(*ip);
	p->version = 4;
	return is_whole(w, sizeof(struct ethhdr) + total, ctx, hook);
}

static __always_inline bool plain_ipv6(struct plain *p, const struct window *w, void *ctx, enum hook hook)
{
	struct ipv6hdr *ip = w->data + sizeof(struct ethhdr);

	p->tcp = (void *)(ip + 1);
	if ((void *)(p->tcp + 1) > w->end || ip->version != 6 || ip->nexthdr != IPPROTO_TCP)
		return false;
	p->source_hi = swap_u64(&ip->saddr.s6_addr32[0]);
	p->source_lo = swap_u64(&ip->saddr.s6_addr32[2]);
	p->destination_hi = swap_u64(&ip->daddr.s6_addr32[0]);
	p->destination_lo = swap_u64(&ip->daddr.s6_addr32[2]);
	p->offset = sizeof(struct ethhdr) + sizeof(*ip);
	p->left = bpf_ntohs(ip->payload_len);
	p->version = 6;
	return p->left >= sizeof(struct tcphdr) && is_whole(w, p->offset + p->left, ctx, hook);
}

/* Says whether the TCP header is whole and has no option or the timestamp alone. */
static __always_inline bool plain_tcp(const struct plain *p, const struct window *w, const struct stamp **stamp)
{
	__u64 header = p->tcp->doff * 4;

	*stamp = NULL;
	if (header == sizeof(*p->tcp))
		return true;
	if (header != sizeof(*p->tcp) + sizeof(**stamp) || header > p->left)
		return false;
	*stamp = (void *)(p->tcp + 1);
	return (void *)(*stamp + 1) <= w->end && (*stamp)->head == bpf_htonl(TIMESTAMP_ALONE);
}

/* Fills every byte: the ring's memory still holds old records. */
static __always_inline void record_plain(struct record *r, const struct plain *p, const struct stamp *stamp)
{
	struct tcphdr *tcp = p->tcp;

	r->address_hi = p->destination_hi;
	r->address_lo = p->destination_lo;
	r->seq = bpf_ntohl(tcp->seq);
	r->ack = bpf_ntohl(tcp->ack_seq);
	r->length = p->left - sizeof(*tcp) - (stamp ? sizeof(*stamp) : 0);
	r->tsval = stamp ? bpf_ntohl(stamp->value) : 0;
	r->port = bpf_ntohs(tcp->dest);
	r->window = bpf_ntohs(tcp->window);
	__builtin_memset(&r->mss, 0, sizeof(*r) - __builtin_offsetof(struct record, mss)); /* In two stores. */
	r->flags = ((__u8 *)tcp)[13];
	r->options = stamp ? OPTION_TIMESTAMP : 0;
	r->version = p->version;
}

static __always_inline enum way intercept_plain(const struct window *w, void *ctx, enum hook hook, struct counters *c)
{
	struct ethhdr *ethernet = w->data;
	const struct stamp *stamp;
	struct few_lease lease;
	struct sampled *s;
	struct plain p;
	int zero = 0;
	struct few *f = few.lookup(&zero);
	__u64 service, now;

	if (!f || (void *)(ethernet + 1) > w->end)
		return WAY_LONG;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		if (!plain_ipv4(&p, w, ctx, hook))
			return WAY_LONG;
	} else if (ethernet->h_proto != bpf_htons(ETH_P_IPV6) || !plain_ipv6(&p, w, ctx, hook)) {
		return WAY_LONG;
	}
	service = few_service(f, p.source_hi, p.source_lo, bpf_ntohs(p.tcp->source));
	if (!service)
		return f->services_more ? WAY_LONG : WAY_PASS;
	if (f->ranges_more)
		return WAY_LONG;
	lease = few_range(f, p.destination_hi, p.destination_lo);
	if (!lease.lease)
		return WAY_PASS;
	if (!plain_tcp(&p, w, &stamp))
		return WAY_LONG;
	now = bpf_ktime_get_ns();
	if (now >= lease.deadline_ns)
		return WAY_LONG; /* A wider one may live. */
	s = reserve((__u32)lease.lease);
	if (!s) {
		c->ring_full++;
		return WAY_DROP;
	}
	s->record.time_ns = now;
	s->record.service = service >> 32;
	s->record.generation = lease.lease >> 32;
	record_plain(&s->record, &p, stamp);
#if SAMPLE
	s->record.sample_length = take_sample(s->sample, p.offset + p.tcp->doff * 4, s->record.length, ctx, hook);
#endif
	submit(s, (__u32)lease.lease);
	c->recorded++;
	return WAY_DROP;
}

#endif
