/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The transport header: a TCP segment's fields and options, or whom an ICMP error is about. */
#ifndef GRYPHON_TRANSPORT_H
#define GRYPHON_TRANSPORT_H

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/tcp.h>

#include "parse.h"
#include "workspace.h"

#define TCP_OPTIONS_MAX 40      /* Bytes; the shortest option has one. */
#define WINDOW_SCALE_MAX 14     /* RFC 7323, 2.3 */
#define TIMESTAMP_ALONE 0x0101080a /* NOP, NOP, timestamp: what all but a SYN carry (RFC 7323, appendix A). */

enum tcp_option { TCP_END = 0, TCP_NOP = 1, TCP_MSS = 2, TCP_SCALE = 3, TCP_SACK_OK = 4, TCP_TIME = 8 };

static __always_inline __u16 read_u16(const __u8 *at)
{
	return (__u16)at[0] << 8 | at[1];
}

static __always_inline __u32 read_u32(const __u8 *at)
{
	return (__u32)read_u16(at) << 16 | read_u16(at + 2);
}

/* Notes one option whose `length` bytes can be read. */
static __always_inline void note_option(struct record *r, const __u8 *at, __u8 length, void *end)
{
	__u8 kind = at[0];

	if (kind == TCP_MSS && length == 4 && (void *)(at + 4) <= end) {
		r->options |= OPTION_MSS;
		r->mss = read_u16(at + 2);
	} else if (kind == TCP_SCALE && length == 3 && (void *)(at + 3) <= end) {
		r->options |= OPTION_WINDOW_SCALE;
		r->window_scale = at[2] > WINDOW_SCALE_MAX ? WINDOW_SCALE_MAX : at[2];
	} else if (kind == TCP_SACK_OK && length == 2) {
		r->options |= OPTION_SACK_PERMITTED;
	} else if (kind == TCP_TIME && length == 10 && (void *)(at + 10) <= end) {
		r->options |= OPTION_TIMESTAMP;
		r->tsval = read_u32(at + 2);
	}
}

/* Walks the options as the kernel does: what comes after a wrong length is ignored (net/ipv4/tcp_input.c,
 * tcp_parse_options). */
static __always_inline void parse_options(struct record *r, const __u8 *options, __u64 length, void *end)
{
	__u64 offset = 0;

	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		const __u8 *at;

		barrier();
		barrier_var(offset);
		offset &= 63;
		at = options + offset;
		if (offset >= length || (void *)(at + 1) > end || *at == TCP_END)
			return;
		if (*at == TCP_NOP) {
			offset++;
			continue;
		}
		if ((void *)(at + 2) > end || at[1] < 2 || offset + at[1] > length)
			return;
		note_option(r, at, at[1], end);
		offset += at[1];
	}
}

static __always_inline enum verdict parse_tcp(struct packet *p, const struct window *w)
{
	struct record *r = &p->record;
	struct tcphdr *tcp = peek(p, w, 4);
	__u8 *options;
	__u64 header;

	if (tcp && p->left >= 4) {
		p->known = KNOWN_PORTS;
		p->service_port = tcp->source;
	}
	if (p->left < sizeof(*tcp))
		return PACKET_MALFORMED;
	tcp = peek(p, w, sizeof(*tcp));
	if (!tcp)
		return PACKET_SHORT;
	r->port = bpf_ntohs(tcp->dest);
	r->seq = bpf_ntohl(tcp->seq);
	r->ack = bpf_ntohl(tcp->ack_seq);
	r->window = bpf_ntohs(tcp->window);
	r->flags = ((__u8 *)tcp)[13];

	header = tcp->doff * 4;
	if (header < sizeof(*tcp) || header > p->left)
		return PACKET_MALFORMED;
	if ((void *)tcp + header > w->end)
		return PACKET_SHORT;
	r->length = p->left - header;

	options = (__u8 *)(tcp + 1);
	if (header == sizeof(*tcp) + 12 && (void *)(options + 12) <= w->end && read_u32(options) == TIMESTAMP_ALONE) {
		r->options = OPTION_TIMESTAMP;
		r->tsval = read_u32(options + 4);
	} else {
		parse_options(r, options, header - sizeof(*tcp), w->end);
	}
#if SAMPLE
	advance(p, header); /* Whoever samples looks for the payload. */
#endif
	return PACKET_FOUND;
}

/* ICMP: RFC 1122, 3.2.2; ICMPv6: RFC 4443, 2.1. Both are about a packet that they quote-> */
static __always_inline bool is_error(__u8 version, __u8 type)
{
	if (version == 6)
		return type < ICMPV6_INFOMSG_MASK;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static __always_inline __u16 next_hop_mtu(__u8 version, const struct icmphdr *icmp)
{
	__u32 mtu = bpf_ntohl(icmp->un.gateway);

	if (version == 4 && icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED)
		return bpf_ntohs(icmp->un.frag.mtu);
	if (version == 6 && icmp->type == ICMPV6_PKT_TOOBIG)
		return mtu > 0xffff ? 0xffff : mtu;
	return 0;
}

static __always_inline bool same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return a->s6_addr32[0] == b->s6_addr32[0] && a->s6_addr32[1] == b->s6_addr32[1] &&
	       a->s6_addr32[2] == b->s6_addr32[2] && a->s6_addr32[3] == b->s6_addr32[3];
}

/* Takes from the quoted packet whom the error is about; at least eight bytes of its TCP header are quoted. */
static __always_inline enum verdict parse_quote(struct packet *p, const struct window *w)
{
	struct packet *quote = workspace(WORKSPACE_QUOTE);
	struct tcphdr *tcp;
	enum verdict verdict;

	if (!quote)
		return PACKET_MALFORMED;
	quote->quoted = true;
	quote->offset = p->offset;
	quote->left = p->left;
	verdict = p->record.version == 4 ? parse_ipv4(quote, w) : parse_ipv6(quote, w);
	if (verdict != PACKET_FOUND)
		return verdict == PACKET_SHORT ? PACKET_SHORT : PACKET_MALFORMED;
	if (quote->protocol != IPPROTO_TCP || quote->record.kind == RECORD_FRAGMENT || quote->left < 8)
		return PACKET_MALFORMED;
	if (!same_address(&quote->source, &p->destination))
		return PACKET_MALFORMED;
	tcp = peek(quote, w, 8);
	if (!tcp)
		return PACKET_SHORT;
	p->service = quote->destination;
	p->service_port = tcp->dest;
	p->record.port = bpf_ntohs(tcp->source);
	p->record.seq = bpf_ntohl(tcp->seq);
	return PACKET_FOUND;
}

static __always_inline enum verdict parse_icmp(struct packet *p, const struct window *w)
{
	struct icmphdr *icmp = peek(p, w, 1);

	p->record.kind = RECORD_ICMP;
	if (icmp && p->left && !is_error(p->record.version, icmp->type))
		return PACKET_OTHER;
	if (p->left < sizeof(*icmp))
		return PACKET_MALFORMED;
	icmp = peek(p, w, sizeof(*icmp));
	if (!icmp)
		return PACKET_SHORT;
	p->record.icmp_type = icmp->type;
	p->record.icmp_code = icmp->code;
	p->record.mss = next_hop_mtu(p->record.version, icmp);
	advance(p, sizeof(*icmp));
	return parse_quote(p, w);
}

/* Reads a frame of `length` bytes as far as the window goes. */
static __always_inline enum verdict parse(struct packet *p, const struct window *w, __u32 length)
{
	__be16 type = 0;
	enum verdict verdict;

	p->left = length;
	verdict = parse_ethernet(p, w, &type);
	if (verdict == PACKET_FOUND)
		verdict = parse_ip(p, w, type);
	if (verdict != PACKET_FOUND || p->record.kind == RECORD_FRAGMENT)
		return verdict;
	return p->protocol == IPPROTO_TCP ? parse_tcp(p, w) : parse_icmp(p, w);
}

#endif
