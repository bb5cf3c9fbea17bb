/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * What the kernel tells of one intercepted packet: the one definition of the record.
 * controller/record.py mirrors it for numpy; a test compares the two field by field.
 * All numbers are in host byte order; IPv4 addresses are mapped (::ffff:a.b.c.d). */
#ifndef GRYPHON_RECORD_H
#define GRYPHON_RECORD_H

enum record_kind {
	RECORD_TCP = 0,      /* a TCP segment */
	RECORD_ICMP = 1,     /* an ICMP or ICMPv6 error about a packet of a forged address */
	RECORD_FRAGMENT = 2, /* an IP fragment: dropped, its TCP fields unknown */
};

enum record_option { /* which TCP options the segment carried */
	OPTION_MSS = 1,
	OPTION_WINDOW_SCALE = 2,
	OPTION_SACK_PERMITTED = 4,
	OPTION_TIMESTAMP = 8,
};

struct record {
	__u64 time_ns;       /* CLOCK_MONOTONIC at capture */
	__u64 address_hi;    /* destination = the forged address */
	__u64 address_lo;
	__u32 seq;           /* ICMP: seq of the offending segment */
	__u32 ack;
	__u32 length;        /* TCP payload bytes, from the IP header (GSO: the whole super-segment) */
	__u32 tsval;
	__u16 port;          /* destination port = the forged port */
	__u16 window;        /* unscaled */
	__u16 service;       /* index of the service that answered; 65535 when not known: a fragment, or an
			      * ICMP error about another port */
	__u16 generation;    /* of the lease that matched */
	__u16 mss;           /* MSS option; ICMP: next-hop MTU, 0 when not given */
	__u8 flags;          /* TCP flags, FIN = 1 ... CWR = 128 */
	__u8 kind;           /* enum record_kind */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 options;        /* enum record_option bits */
	__u8 window_scale;   /* shift count, capped at 14 (RFC 7323, 2.3) */
	__u32 sample_length; /* bytes of payload that follow the record; behind them its sample is zero */
	__u8 version;        /* IP version, 4 or 6 */
	__u8 reserved[3];
};

#endif
