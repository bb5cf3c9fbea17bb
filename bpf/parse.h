/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * From the first byte of a frame to its transport header, in bounded steps: Ethernet, VLAN tags,
 * IPv4 with options, IPv6 with extension headers, fragments. A tag that the network card or the stack keeps
 * beside the packet is not in its bytes, so nothing is to be done about it. */
#ifndef GRYPHON_PARSE_H
#define GRYPHON_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "packet.h"

#define IP_FRAGMENT 0x3fff   /* More fragments, or an offset (RFC 791, 3.1). */
#define IPV6_FRAGMENT 0xfff9 /* The same in the fragment header (RFC 8200, 4.5). */

struct vlan_tag {
	__be16 control;
	__be16 type;
};

struct extension {
	__u8 next;
	__u8 length;       /* In 8 bytes after the first 8; authentication header: in 4 after the first 8. */
	__be16 fragment;   /* Fragment header: offset and flags. */
	__be32 identification;
};

/* Keep the compiler from holding in registers, or concluding, what the verifier could not follow there. */
#define barrier_var(value) asm volatile("" : "+r"(value))
#define barrier() asm volatile("" : : : "memory")

struct window { /* What can be read of the frame. */
	void *data;
	void *end;
};

/* Gives the next bytes, NULL when they cannot be read. The offset is read from memory, where the verifier does not follow it,
 * and has one bound: so it sees that all ways to a header are one. */
static __always_inline void *peek(struct packet *p, const struct window *w, __u64 bytes)
{
	__u64 offset = *(volatile __u64 *)&p->offset;

	void *at;

	if (offset > HEADERS_MAX)
		return NULL;
	barrier_var(offset);
	at = w->data + offset;
	return at + bytes > w->end ? NULL : at;
}

static __always_inline void map_ipv4(struct in6_addr *mapped, __be32 address)
{
	mapped->s6_addr32[0] = 0;
	mapped->s6_addr32[1] = 0;
	mapped->s6_addr32[2] = bpf_htonl(0xffff);
	mapped->s6_addr32[3] = address;
}

static __always_inline void advance(struct packet *p, __u64 bytes)
{
	p->offset += bytes;
	p->left -= bytes;
}

/* Goes to the network header and says its EtherType. */
static __always_inline enum verdict parse_ethernet(struct packet *p, const struct window *w, __be16 *type)
{
	struct ethhdr *ethernet = peek(p, w, sizeof(*ethernet));

	if (!ethernet)
		return PACKET_SHORT;
	*type = ethernet->h_proto;
	advance(p, sizeof(*ethernet));

	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		struct vlan_tag *tag;

		if (*type != bpf_htons(ETH_P_8021Q) && *type != bpf_htons(ETH_P_8021AD))
			break;
		tag = peek(p, w, sizeof(*tag));
		if (!tag)
			return PACKET_SHORT;
		*type = tag->type;
		advance(p, sizeof(*tag));
	}
	return PACKET_FOUND;
}

/* Takes the length from the IP header; 0 stands for a super-packet that it cannot express (BIG TCP). */
static __always_inline bool limit(struct packet *p, __u64 length)
{
	if (!length || p->quoted)
		return true;
	if (length > p->left)
		return false;
	p->left = length;
	return true;
}

static __always_inline bool is_wanted(__u8 protocol, __u8 icmp)
{
	return protocol == IPPROTO_TCP || protocol == icmp;
}

static __always_inline enum verdict parse_ipv4(struct packet *p, const struct window *w)
{
	struct iphdr *ip = peek(p, w, sizeof(*ip));
	__u64 header, total;
	bool fragment;

	if (!ip)
		return PACKET_SHORT;
	if (ip->version != 4)
		return PACKET_OTHER;
	map_ipv4(&p->source, ip->saddr);
	map_ipv4(&p->destination, ip->daddr);
	p->record.version = 4;
	p->protocol = ip->protocol;
	fragment = ip->frag_off & bpf_htons(IP_FRAGMENT);
	if (!fragment && !is_wanted(p->protocol, IPPROTO_ICMP))
		return PACKET_OTHER;
	p->known = KNOWN_ADDRESSES;

	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || (total && total < header) || !limit(p, total) || p->left < header)
		return PACKET_MALFORMED;
	if (fragment)
		p->record.kind = RECORD_FRAGMENT;
	advance(p, header);
	return PACKET_FOUND;
}

static __always_inline bool is_extension(__u8 type)
{
	return type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_DSTOPTS ||
	       type == IPPROTO_AH || type == IPPROTO_FRAGMENT;
}

static __always_inline __u64 extension_length(__u8 type, const struct extension *e)
{
	if (type == IPPROTO_FRAGMENT)
		return sizeof(*e);
	if (type == IPPROTO_AH)
		return (e->length + 2) * 4;
	return (e->length + 1) * 8;
}

static __always_inline enum verdict parse_extensions(struct packet *p, const struct window *w)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		struct extension *e = peek(p, w, sizeof(*e));
		__u64 length;

		if (!is_extension(p->protocol))
			break;
		if (p->left < sizeof(*e))
			return PACKET_MALFORMED;
		if (!e)
			return PACKET_SHORT;
		if (p->protocol == IPPROTO_FRAGMENT && (e->fragment & bpf_htons(IPV6_FRAGMENT))) {
			p->record.kind = RECORD_FRAGMENT;
			return PACKET_FOUND;
		}
		length = extension_length(p->protocol, e);
		if (length > p->left)
			return PACKET_MALFORMED;
		p->protocol = e->next;
		advance(p, length);
	}
	if (is_wanted(p->protocol, IPPROTO_ICMPV6))
		return PACKET_FOUND;
	return is_extension(p->protocol) ? PACKET_MALFORMED : PACKET_OTHER;
}

static __always_inline enum verdict parse_ipv6(struct packet *p, const struct window *w)
{
	struct ipv6hdr *ip = peek(p, w, sizeof(*ip));
	__u64 payload;

	if (!ip)
		return PACKET_SHORT;
	if (ip->version != 6)
		return PACKET_OTHER;
	p->source = ip->saddr;
	p->destination = ip->daddr;
	p->record.version = 6;
	p->protocol = ip->nexthdr;
	p->known = KNOWN_ADDRESSES;

	payload = bpf_ntohs(ip->payload_len);
	if (p->left < sizeof(*ip))
		return PACKET_MALFORMED; /* Of a quoted packet: what is behind the quote is padding. */
	advance(p, sizeof(*ip));
	if (!is_extension(p->protocol) && !is_wanted(p->protocol, IPPROTO_ICMPV6))
		return PACKET_OTHER;
	if (!limit(p, payload))
		return PACKET_MALFORMED;
	return parse_extensions(p, w);
}

static __always_inline enum verdict parse_ip(struct packet *p, const struct window *w, __be16 type)
{
	if (type == bpf_htons(ETH_P_IP))
		return parse_ipv4(p, w);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(p, w);
	return PACKET_OTHER;
}

#endif
