/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * What the parser finds out about one packet, for the match. */
#ifndef GRYPHON_PACKET_H
#define GRYPHON_PACKET_H

#include "record.h"

#define VLAN_TAGS_MAX 4   /* Tags in the packet that are looked through: QinQ, and two to spare. */
#define EXTENSIONS_MAX 8  /* IPv6 extension headers that are looked through. */
#define HEADERS_MAX 1024  /* Bytes of headers that are looked into. */

enum verdict {
	PACKET_OTHER,     /* Nothing that a forged address is ever sent by a service: it passes. */
	PACKET_SHORT,     /* A header runs past what can be read. */
	PACKET_MALFORMED, /* A length contradicts another. */
	PACKET_FOUND,     /* The record's packet part is filled in. */
};

enum known { /* How far a packet could be read; the match goes by what is there. */
	KNOWN_NOTHING,
	KNOWN_ADDRESSES,
	KNOWN_PORTS,
};

struct packet {
	struct in6_addr source;      /* IPv4 mapped, network byte order, as in the maps. */
	struct in6_addr destination;
	struct in6_addr service;     /* ICMP error: where the quoted packet went. */
	__be16 service_port;         /* The source port; ICMP error: the quoted packet's destination port. */
	__u8 known;                  /* enum known */
	__u8 protocol;               /* Of the next header. */
	bool quoted;                 /* The packet is quoted by an ICMP error, which cuts it short. */
	__u32 ring;                  /* Where its record goes: that of the lease. */
	__u64 offset;                /* Of the next header in the frame. */
	__u64 left;                  /* Bytes of the packet from there on, by the frame first, then by the IP header. */
	struct record record;
};

#endif
