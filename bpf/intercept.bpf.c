/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The interception: what a service answers to a forged address becomes a record in the ring, and never leaves.
 * One parser and one match serve XDP ingress (assistant, local) and tc egress (on the server under test).
 * The loader pastes the headers of this folder in, since bcc rewrites table calls in the main text only. */
#include <linux/pkt_cls.h>

#include "transport.h"
#include "match.h"
#include "emit.h"
#include "plain.h"

/* Says whether the packet must be dropped, and accounts for it. */
static __always_inline bool
intercept(struct packet *p, enum verdict verdict, void *ctx, enum hook hook, struct counters *c)
{
	if (verdict == PACKET_OTHER || !match(p)) {
		c->passed++;
		return false;
	}
	c->matched++;
	if (verdict != PACKET_FOUND)
		c->malformed++;
	else if (emit(p, ctx, hook))
		c->recorded++;
	else
		c->ring_full++;
	return true;
}

static __always_inline struct counters *counters_here(void)
{
	int zero = 0;

	return counters.lookup(&zero);
}

static __always_inline bool account(struct counters *c, enum way way)
{
	if (way == WAY_PASS)
		c->passed++;
	else
		c->matched++;
	return way == WAY_DROP;
}

int intercept_xdp(struct xdp_md *ctx)
{
	struct window w = { (void *)(long)ctx->data, (void *)(long)ctx->data_end };
	struct counters *c = counters_here();
	struct packet *p;
	enum way way;

	if (!c)
		return XDP_PASS;
	way = intercept_plain(&w, ctx, HOOK_XDP, c);
	if (way != WAY_LONG)
		return account(c, way) ? XDP_DROP : XDP_PASS;
	p = workspace(WORKSPACE_PACKET);
	if (!p)
		return XDP_PASS;
	return intercept(p, parse(p, &w, bpf_xdp_get_buff_len(ctx)), ctx, HOOK_XDP, c) ? XDP_DROP : XDP_PASS;
}

/* STOLEN, since SHOT would tell the server's own stack that its packet was not sent, and it would stall;
 * UNSPEC, so that filters of others behind this one have their turn. */
int intercept_egress(struct __sk_buff *ctx)
{
	struct window w = { (void *)(long)ctx->data, (void *)(long)ctx->data_end };
	enum verdict verdict = PACKET_SHORT;
	struct counters *c = counters_here();
	struct packet *p;
	enum way way;

	if (!c)
		return TC_ACT_UNSPEC;
	way = intercept_plain(&w, ctx, HOOK_EGRESS, c);
	if (way != WAY_LONG)
		return account(c, way) ? TC_ACT_STOLEN : TC_ACT_UNSPEC;
	#pragma clang loop unroll(disable)
	for (int i = 0; i < 2; i++) {
		struct window w = { (void *)(long)ctx->data, (void *)(long)ctx->data_end };

		p = workspace(WORKSPACE_PACKET);
		if (!p)
			return TC_ACT_UNSPEC;
		verdict = parse(p, &w, ctx->len);
		if (verdict != PACKET_SHORT || w.end - w.data >= ctx->len)
			break;
		if (bpf_skb_pull_data(ctx, ctx->len < HEADERS_MAX ? ctx->len : HEADERS_MAX))
			break;
	}
	return intercept(p, verdict, ctx, HOOK_EGRESS, c) ? TC_ACT_STOLEN : TC_ACT_UNSPEC;
}
