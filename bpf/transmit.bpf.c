/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
 *
 * The way out of the xdp transmitter: every live frame of a BPF_PROG_RUN becomes the next frame that user space has
 * built, and is redirected to its device. What became of it the kernel tells to nobody but its tracepoints: two more
 * programs listen there and write into the frame's place why it did not leave.
 *
 * The loader's caller defines FRAME_BYTES, the memory for frames, and PLACES, the most frames of one run.
 * sender/transmit/wire.py (PLACE) and bpf/live.py (PROGRESS) mirror the structs; a test compares them. */

#define FRAME_MAX 4096	/* no live frame is longer: it has a page with its headroom */
#define FRAME_MIN 14	/* an Ethernet header, below which bpf_xdp_adjust_tail does not go */
#define NO_ROOM 105	/* ENOBUFS: the driver's ring is full */
#define BAD_PLACE 22	/* EINVAL */

struct place {
	__u32 offset;	/* of the frame in the memory */
	__u16 length;
	__u16 error;	/* errno, of frames that did not leave: */
	__u32 failed;	/* so many from this one on */
	__u32 reserved;
};

struct progress {
	__u64 left;	/* frames that drivers took, since the program was loaded */
	__u32 next;	/* the place that the next live frame takes */
	__u32 judged;	/* places of this run of which the fate is known */
	__u32 failed;	/* how many of those did not leave */
	__u32 device;	/* interface index, of all frames of a run */
	__u32 owner;	/* process whose frames these are, as the kernel numbers it */
	__u32 reserved;
};

struct memory {
	__u8 bytes[FRAME_BYTES];
};

BPF_F_TABLE("array", int, struct place, places, PLACES, BPF_F_MMAPABLE);
BPF_F_TABLE("array", int, struct memory, frames, 1, BPF_F_MMAPABLE);
BPF_F_TABLE("array", int, struct progress, progress, 1, BPF_F_MMAPABLE);

/* bcc has no prototype of this helper (bpf.h, number 190; Linux 5.18). */
static long (*store_bytes)(struct xdp_md *ctx, __u32 offset, void *from, __u32 length) = (void *)190;

/* Gives 0 or the errno. */
static __always_inline int put_frame(struct xdp_md *ctx, struct memory *memory, struct place *place)
{
	__u64 offset = place->offset, length = place->length, now = ctx->data_end - ctx->data;
	long error;

	/* So that the verifier sees the bounds on the registers that are used, and no arithmetic with data_end itself. The
	 * compiler would make one comparison of another number out of both bounds of the length, which that of Linux 6.1
	 * does not follow back. */
	asm volatile("" : "+r"(offset), "+r"(length), "+r"(now));
	if (length < FRAME_MIN)
		return BAD_PLACE;
	asm volatile("" : "+r"(length));
	if (length > FRAME_MAX || offset > FRAME_BYTES - FRAME_MAX)
		return BAD_PLACE;
	error = bpf_xdp_adjust_tail(ctx, (int)length - (int)now);
	if (error)
		return -error;
	return -store_bytes(ctx, 0, memory->bytes + offset, length);
}

static __always_inline void fail(struct progress *run, __u32 at, __u32 count, __u32 error)
{
	struct place *place = places.lookup(&at);

	run->failed += count;
	if (!place)
		return;
	place->error = error;
	place->failed = count;
}

int transmit(struct xdp_md *ctx)
{
	int zero = 0, error;
	__u32 at;
	struct progress *run = progress.lookup(&zero);
	struct memory *memory = frames.lookup(&zero);

	if (!run || !memory)
		return XDP_DROP;
	at = run->next;
	struct place *place = places.lookup(&at);
	if (!place)
		return XDP_DROP;
	run->next = at + 1;
	error = put_frame(ctx, memory, place);
	if (error) {
		fail(run, at, 1, error);
		run->judged++;
		return XDP_DROP;
	}
	return bpf_redirect(run->device, 0);
}

/* What an interface may need to have before its driver sends frames from XDP (sets up queues for them). */
int passing(struct xdp_md *ctx)
{
	return XDP_PASS;
}

static __always_inline __u32 process(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline struct progress *of_ours(void)
{
	int zero = 0;
	struct progress *run = progress.lookup(&zero);

	return run && run->owner == process() ? run : 0;
}

/* Run once, by the process that is going to send. */
int adopt(struct bpf_raw_tracepoint_args *ctx)
{
	int zero = 0;
	struct progress *run = progress.lookup(&zero);

	if (run)
		run->owner = process();
	return 0;
}

/* Tracepoint xdp_devmap_xmit (include/trace/events/xdp.h): from_dev, to_dev, sent, drops, err. The frames of a run go
 * to one device, in order, so the n-th that a driver is given is in the n-th place. */
int on_xmit(struct bpf_raw_tracepoint_args *ctx)
{
	struct progress *run = of_ours();
	__u32 sent = ctx->args[2], drops = ctx->args[3];
	int error = ctx->args[4];

	if (!run)
		return 0;
	if (drops)
		fail(run, run->judged + sent, drops, error < 0 ? -error : NO_ROOM);
	run->left += sent;
	run->judged += sent + drops;
	return 0;
}

/* Tracepoint xdp_redirect_err: dev, program, target, err, ...; the frame is refused before a driver sees it. */
int on_refusal(struct bpf_raw_tracepoint_args *ctx)
{
	struct progress *run = of_ours();

	if (!run)
		return 0;
	fail(run, run->next - 1, 1, -(int)ctx->args[3]);
	run->judged++;
	return 0;
}
