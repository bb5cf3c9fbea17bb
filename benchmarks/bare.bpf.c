/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * For benchmarks.intercepting: what does least with answers. bare.py defines DEVICE, where they are turned out. */
#include <linux/pkt_cls.h>

struct least { /* As long as a record. */
	__u64 time_ns;
	__u64 rest[7];
};

BPF_PERCPU_ARRAY(arrived, __u64, 1);
BPF_RINGBUF_OUTPUT(ring, RING_BYTES / PAGE_SIZE);
BPF_F_TABLE("array", int, __u64, sleeping, 1, BPF_F_MMAPABLE);

/* Not everything that is sent arrives: a full veth ring drops. */
static __always_inline void count(void)
{
	__u32 zero = 0;
	__u64 *seen = arrived.lookup(&zero);

	if (seen)
		(*seen)++;
}

/* The least that any program does that records when a packet came: no match, no header. Counts what it recorded. */
static __always_inline void record(void)
{
	struct least *made = ring.ringbuf_reserve(sizeof(*made));

	if (!made)
		return;
	made->time_ns = bpf_ktime_get_ns();
	ring.ringbuf_submit(made, BPF_RB_NO_WAKEUP);
	count();
}

int drop(struct xdp_md *ctx)
{
	count();
	return XDP_DROP;
}

int drop_recorded(struct xdp_md *ctx)
{
	record();
	return XDP_DROP;
}

int steal(struct __sk_buff *skb)
{
	count();
	return TC_ACT_STOLEN;
}

int steal_recorded(struct __sk_buff *skb)
{
	record();
	return TC_ACT_STOLEN;
}

/* What came in goes out, as if this host had sent it. */
int turn(struct __sk_buff *skb)
{
	return bpf_redirect(DEVICE, 0);
}
