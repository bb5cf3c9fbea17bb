/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * For benchmarks.intercepting: answers to forged addresses made out of live frames.
 * answers.py defines DEVICE, where they are sent, and SUM, that of the IPv4 header's words but for the checksum
 * and the last one. The frames are the kernel's to use again, so every one has its changing words written. */
#include <linux/if_ether.h>
#include <linux/ip.h>

BPF_PERCPU_ARRAY(number, __u32, 1);

/* Gives each frame the next of 65,536 addresses. */
static __always_inline int next(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 zero = 0, *seen = number.lookup(&zero), sum;

	if (!seen || (void *)(ip + 1) > (void *)(long)ctx->data_end)
		return -1;
	__u16 low = (*seen)++;
	sum = SUM + low;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	((__u16 *)&ip->daddr)[1] = low;
	ip->check = ~sum;
	return 0;
}

int leave(struct xdp_md *ctx)
{
	return next(ctx) ? XDP_ABORTED : bpf_redirect(DEVICE, 0);
}

/* To the stack of this host, as if it had come in. */
int enter(struct xdp_md *ctx)
{
	return next(ctx) ? XDP_ABORTED : XDP_PASS;
}
