/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * A bad path: packets of one TCP port are dropped, sent twice, or led into a detour, by a seeded dice.
 * Shares are in parts of 2^32. What comes back from the detour, and every copy, is marked and left alone. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

enum { SEEN, DROPPED, DUPLICATED, DETOURED, KINDS };

BPF_TABLE("array", int, __u64, counts, KINDS);

static __always_inline __u64 add(int kind)
{
	__u64 *count = counts.lookup(&kind);

	return count ? __sync_fetch_and_add(count, 1) : 0;
}

/* Mixes a number well (the finalizer of MurmurHash3's idea: shift and multiply, twice). */
static __always_inline __u32 dice(__u32 number)
{
	number ^= SEED;
	number = (number ^ (number >> 16)) * 0x45d9f3b;
	number = (number ^ (number >> 13)) * 0x45d9f3b;
	return number ^ (number >> 16);
}

static __always_inline int concerned(struct __sk_buff *ctx)
{
	struct { __u8 version; __u8 tos; __be16 length; __be32 id; __u8 ttl; __u8 protocol; } ip;
	__be16 ports[2];

	if (ctx->mark == MARK || ctx->protocol != bpf_htons(ETH_P_IP))
		return 0;
	if (bpf_skb_load_bytes(ctx, ETH_HLEN, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP)
		return 0;
	if (bpf_skb_load_bytes(ctx, ETH_HLEN + (ip.version & 15) * 4, ports, sizeof(ports)))
		return 0;
	return ports[0] == bpf_htons(PORT) || ports[1] == bpf_htons(PORT);
}

int impair(struct __sk_buff *ctx)
{
	__u32 thrown;

	if (!concerned(ctx))
		return TC_ACT_UNSPEC;
	thrown = dice(add(SEEN));
	if (thrown < LOSS) {
		add(DROPPED);
		return TC_ACT_STOLEN; /* not SHOT, of which the sender's own stack would hear */
	}
	ctx->mark = MARK;
	if (thrown - LOSS < DUPLICATE) {
		add(DUPLICATED);
		bpf_clone_redirect(ctx, ctx->ifindex, 0);
	} else if (thrown - LOSS - DUPLICATE < REORDER) {
		add(DETOURED);
		return bpf_redirect(DETOUR, 0);
	}
	return TC_ACT_UNSPEC;
}
