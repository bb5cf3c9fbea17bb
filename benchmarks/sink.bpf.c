/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * A packet-level TCP server without a state, for measuring what gryphon itself can do: XDP on the server's interface
 * turns each client packet into its answer and sends it back out. SYN -> SYN-ACK; data with PSH -> the answer from
 * `sink_answer`; other data -> ACK; FIN -> FIN-ACK (after data: answer and FIN in one). A pure ACK and an RST are
 * counted and dropped. IPv4 without fragments; all else passes to the stack. Checksums are right, so that a real
 * client (curl) can be served too.
 *
 * sink.py defines SINK_PORT. */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#define ANSWER_MAX 1440 /* an Ethernet frame without the headers */
#define SYN_OPTIONS 4	/* MSS alone: without timestamps and window scale no later packet needs to know a state */
#define MSS 1460
#define LAST_USER_PORT 61000 /* what comes from above is a run's canary: answered, not counted */
#define IP_FRAGMENT 0x3fff /* more fragments, or an offset (RFC 791, 3.1) */
#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10

enum { COUNT_SYN, COUNT_DATA, COUNT_FIN, COUNT_ACK, COUNT_RST, COUNT_NO_ROOM, COUNT_KINDS };

struct answer {
	__u32 length;
	__u32 sum; /* of the 16-bit words of `bytes` as they lie in memory, not folded */
	__u8 bytes[ANSWER_MAX];
};

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

BPF_ARRAY(sink_answer, struct answer, 1);
BPF_PERCPU_ARRAY(sink_count, __u64, COUNT_KINDS);

/* bcc has no prototype of this helper (bpf.h, number 190; Linux 5.18). */
static long (*store_bytes)(struct xdp_md *ctx, __u32 offset, void *from, __u32 length) = (void *)190;

static __always_inline void count(__u32 kind)
{
	__u64 *seen = sink_count.lookup(&kind);

	if (seen)
		(*seen)++;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return ~sum;
}

static __always_inline __u64 sum_words(const void *from, int bytes)
{
	const __u16 *word = from;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < bytes / 2; i++)
		sum += word[i];
	return sum;
}

/* What answers a segment: flags 0 means nothing does. */
struct reply {
	__u32 seq, ack, length;
	__u8 flags, kind;
};

static __always_inline struct reply reply_to(struct tcphdr *tcp, __u32 length, __u32 answer)
{
	__u8 flags = ((__u8 *)tcp)[13];
	__u32 seq = bpf_ntohl(tcp->seq), ack = bpf_ntohl(tcp->ack_seq);
	struct reply reply = {.seq = ack, .ack = seq + length, .flags = FLAG_ACK, .kind = COUNT_DATA};

	if (flags & FLAG_RST) {
		reply.flags = 0;
		reply.kind = COUNT_RST;
	} else if (flags & FLAG_SYN) {
		reply.seq = seq * 2654435761u; /* any number that a retransmission gets again */
		reply.ack = seq + 1;
		reply.flags = FLAG_SYN | FLAG_ACK;
		reply.kind = COUNT_SYN;
	} else if (length || (flags & FLAG_FIN)) {
		if (length && (flags & FLAG_PSH)) {
			reply.length = answer;
			reply.flags |= FLAG_PSH;
		}
		if (flags & FLAG_FIN) {
			reply.ack++;
			reply.flags |= FLAG_FIN;
			reply.kind = COUNT_FIN;
		}
	} else {
		reply.flags = 0;
		reply.kind = COUNT_ACK;
	}
	return reply;
}

/* Fills in all but the TCP checksum and gives back its sum so far: pseudo header (RFC 9293, 3.1) and header. */
static __always_inline __u64 write_headers(struct headers *out, struct headers *in, struct reply *reply, __u32 options)
{
	__u32 segment = sizeof(out->tcp) + options + reply->length;

	__builtin_memcpy(out->ethernet.h_dest, in->ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(out->ethernet.h_source, in->ethernet.h_dest, ETH_ALEN);
	out->ethernet.h_proto = bpf_htons(ETH_P_IP);

	((__u8 *)&out->ip)[0] = 0x45;
	out->ip.tot_len = bpf_htons(sizeof(out->ip) + segment);
	out->ip.frag_off = bpf_htons(0x4000); /* don't fragment */
	out->ip.ttl = 64;
	out->ip.protocol = IPPROTO_TCP;
	out->ip.saddr = in->ip.daddr;
	out->ip.daddr = in->ip.saddr;
	out->ip.check = fold(sum_words(&out->ip, sizeof(out->ip)));

	out->tcp.source = in->tcp.dest;
	out->tcp.dest = in->tcp.source;
	out->tcp.seq = bpf_htonl(reply->seq);
	out->tcp.ack_seq = bpf_htonl(reply->ack);
	((__u8 *)&out->tcp)[12] = (sizeof(out->tcp) + options) / 4 << 4;
	((__u8 *)&out->tcp)[13] = reply->flags;
	out->tcp.window = bpf_htons(65535);
	return (__u64)out->ip.saddr + out->ip.daddr + bpf_htons(IPPROTO_TCP) + bpf_htons(segment) +
	       sum_words(&out->tcp, sizeof(out->tcp));
}

/* Makes the frame exactly `want` bytes long. Behind a frame that came from the kernel's stack there is little room
 * (veth copies it into a buffer just large enough), in front of it there are 256 bytes. */
static __always_inline bool resize(struct xdp_md *ctx, int want)
{
	int more = want - (int)(ctx->data_end - ctx->data);

	return !more || !bpf_xdp_adjust_tail(ctx, more) || (more > 0 && !bpf_xdp_adjust_head(ctx, -more));
}

static __always_inline bool put_answer(struct xdp_md *ctx, __u32 offset, struct answer *answer, __u64 bytes)
{
	asm volatile("" : "+r"(bytes)); /* so that the verifier sees the bounds on the register that is used */
	return bytes >= 1 && bytes <= ANSWER_MAX && !store_bytes(ctx, offset, answer->bytes, bytes);
}

int sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct headers *in = data, out = {};
	__u32 zero = 0;

	if ((void *)(in + 1) > end || in->ethernet.h_proto != bpf_htons(ETH_P_IP) || ((__u8 *)&in->ip)[0] != 0x45 ||
	    in->ip.protocol != IPPROTO_TCP || (in->ip.frag_off & bpf_htons(IP_FRAGMENT)) ||
	    in->tcp.dest != bpf_htons(SINK_PORT))
		return XDP_PASS;
	struct answer *answer = sink_answer.lookup(&zero);
	if (!answer)
		return XDP_ABORTED;

	__u32 length = bpf_ntohs(in->ip.tot_len) - sizeof(in->ip) - (((__u8 *)&in->tcp)[12] >> 4) * 4;
	struct reply reply = reply_to(&in->tcp, length, answer->length);
	if (bpf_ntohs(in->tcp.source) <= LAST_USER_PORT)
		count(reply.kind);
	if (!reply.flags)
		return XDP_DROP;

	__u32 options = reply.flags & FLAG_SYN ? SYN_OPTIONS : 0;
	__u64 sum = write_headers(&out, in, &reply, options);
	if (!resize(ctx, sizeof(out) + options + reply.length)) {
		count(COUNT_NO_ROOM);
		return XDP_DROP;
	}
	if (reply.length) {
		if (!put_answer(ctx, sizeof(out), answer, reply.length))
			return XDP_DROP;
		sum += answer->sum;
	}

	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	in = data;
	__be32 *mss = (void *)(in + 1);
	if ((void *)mss > end)
		return XDP_DROP;
	if (options) {
		if ((void *)(mss + 1) > end)
			return XDP_DROP;
		*mss = bpf_htonl(2 << 24 | 4 << 16 | MSS); /* RFC 9293, 3.2: kind 2, length 4 */
		sum += sum_words(mss, sizeof(*mss));
	}
	out.tcp.check = fold(sum);
	*in = out;
	return XDP_TX;
}

/* For the other end of a veth where nobody else has a program: XDP_TX rings only for an end that has one (drivers/net/veth.c,
 * veth_xdp_flush), whatever NAPI or GRO it has. */
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
