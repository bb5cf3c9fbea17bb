/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * Both ends of the transmitters' benchmark: `swallow` counts and drops whatever arrives, `bare` redirects live frames as
 * they are, which is the least that sending from XDP costs.
 *
 * transmit.py defines DEVICE, the interface index that `bare` redirects to. */
BPF_PERCPU_ARRAY(swallowed, __u64, 1);

int swallow(struct xdp_md *ctx)
{
	int zero = 0;
	__u64 *seen = swallowed.lookup(&zero);

	if (seen)
		(*seen)++;
	return XDP_DROP;
}

int bare(struct xdp_md *ctx)
{
	return bpf_redirect(DEVICE, 0);
}
