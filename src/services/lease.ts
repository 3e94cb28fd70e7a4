/** A lease that is kept: renewed in time, and looked at before every act that needs it (GATE). */
import type { Claim } from "../queue/claim.ts";
import { renewClaim } from "../queue/renew.ts";
import type { QueueContext } from "../queue/task.ts";
import { insist } from "../store/again.ts";

/** Renews at a third of the lease. */
const HEARTBEATS_PER_LEASE = 3;

/** But no sooner than after this part of it, when the store does not answer. */
const SOONEST = 30;

/** A shorter lease would run out under its own heartbeats, each a put. */
const SHORTEST_LEASE_MS = 1_000;

/** Of a lease that is this many margins long half is left for the answer when its heartbeat is sent; one of two margins is none. */
const MARGINS_PER_LEASE = 3;

/** The shortest lease that can be kept when clocks may differ by so much. */
export function shortestLeaseMs(skewMarginMs: number): number {
  return Math.max(SHORTEST_LEASE_MS, MARGINS_PER_LEASE * skewMarginMs);
}

/** How long after a claim or a renewal the next renewal comes, when so much of the lease is left. */
export function heartbeatRestMs(leaseMs: number, leftMs: number): number {
  // A renewal that was answered late leaves little of the lease: the next one comes sooner. Found by simulation.
  return Math.min(leaseMs / HEARTBEATS_PER_LEASE, Math.max(leaseMs / SOONEST, leftMs - leaseMs / 2));
}

/** A claim or renewal that takes more than this part of what can be used of a lease is one slow answer away from losing it. */
const SLOW_SHARE = 1 / 2;

/** How often a worker says that its lease is short for its store. */
const SAY_AGAIN_MS = 600_000;

/** Says in the log that the lease is short for how long the store takes to answer: at most once in ten minutes a worker. */
export class LeaseWatch {
  readonly #queue: QueueContext;
  readonly #leaseMs: number;
  readonly #worker: string;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(queue: QueueContext, leaseMs: number, worker: string) {
    this.#queue = queue;
    this.#leaseMs = leaseMs;
    this.#worker = worker;
  }

  /** Told of every claim and renewal: how long it took until it was answered, or given up. */
  took(tookMs: number): void {
    const { clock, logger } = this.#queue.host;
    const { skewMarginMs } = this.#queue;
    const usableMs = this.#leaseMs - skewMarginMs;
    if (tookMs <= usableMs * SLOW_SHARE || clock.monotonic() - this.#saidAt < SAY_AGAIN_MS) return;
    this.#saidAt = clock.monotonic();
    logger.warn(
      "the lease is short for this store: steps may be taken over while they run, and run again; give a longer lease",
      {
        worker: this.#worker,
        took_ms: Math.round(tookMs),
        lease_ms: this.#leaseMs,
        skew_margin_ms: skewMarginMs,
        usable_ms: usableMs,
        write_lease_ms: Math.ceil(tookMs / SLOW_SHARE + skewMarginMs),
      },
    );
  }
}

/** Keeps one claim alive until it is stopped or lost. */
export class KeptLease {
  readonly #queue: QueueContext;
  readonly #leaseMs: number;
  readonly #watch: LeaseWatch | undefined;
  readonly #stop = new AbortController();
  readonly #lost = new AbortController();
  readonly #cancelRequested = new AbortController();
  #isCancelRequested = false;
  #claim: Claim;
  #renewing: Promise<boolean> | undefined;

  constructor(queue: QueueContext, claim: Claim, leaseMs: number, watch?: LeaseWatch) {
    this.#queue = queue;
    this.#claim = claim;
    this.#leaseMs = leaseMs;
    this.#watch = watch;
    watch?.took(leaseMs - queue.skewMarginMs - (claim.leaseUntil - queue.host.clock.monotonic()));
    void this.#beat();
  }

  /** The claim with its newest etag. */
  get claim(): Claim {
    return this.#claim;
  }

  /** Aborts when somebody else has taken the task over. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Aborts when the task is asked to stop (`cancel_requested`). */
  get cancelRequested(): AbortSignal {
    return this.#cancelRequested.signal;
  }

  /** Says that the work is not wanted any more; the lease itself stays. */
  requestCancel(): void {
    this.#isCancelRequested = true;
    this.#cancelRequested.abort();
  }

  /**
   * Whether somebody said so since this was last asked. Who asks before it reads the record, and once more before it gives the task
   * back, cannot miss a stop that it did not read of.
   */
  takeCancelRequest(): boolean {
    const isRequested = this.#isCancelRequested;
    this.#isCancelRequested = false;
    return isRequested;
  }

  /** Whether the lease is unexpired by our own clock; expired but not taken: renewed first. */
  async hold(): Promise<boolean> {
    if (this.#lost.signal.aborted) return false;
    if (this.#isUnexpired()) return true;
    return (await this.#renew()) && this.#isUnexpired();
  }

  /**
   * Does something that is the same twice as once, again and again while the store does not answer, as long as the lease lives by our own
   * clock: so an outage of seconds costs nothing that was done under it. Where only this one request is not answered and renewals are, it
   * gives up after the length of a lease.
   * @throws the last error
   */
  insist<T>(act: () => Promise<T>): Promise<T> {
    const { clock } = this.#queue.host;
    const giveUpAt = clock.monotonic() + this.#leaseMs;
    return insist(this.#queue.host, () => this.isLive() && clock.monotonic() < giveUpAt, act);
  }

  /** Renews now, whatever is left. */
  beat(): Promise<boolean> {
    return this.#renew();
  }

  /** Stops renewing; the task itself is finished or left by the caller. */
  stop(): void {
    this.#stop.abort();
  }

  /** Whether the lease is kept, and unexpired by our own clock: nobody else can hold the task. Nothing is asked of the bucket. */
  isLive(): boolean {
    return !this.#stop.signal.aborted && !this.#lost.signal.aborted && this.#isUnexpired();
  }

  #isUnexpired(): boolean {
    return this.#queue.host.clock.monotonic() < this.#claim.leaseUntil;
  }

  async #beat(): Promise<void> {
    const { clock } = this.#queue.host;
    for (;;) {
      const restMs = heartbeatRestMs(this.#leaseMs, this.#claim.leaseUntil - clock.monotonic());
      await clock.sleep(restMs, { signal: this.#stop.signal });
      if (this.#stop.signal.aborted || this.#lost.signal.aborted) return;
      await this.#renew();
    }
  }

  #renew(): Promise<boolean> {
    this.#renewing ??= this.#renewInTime().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /**
   * A request may hang for longer than the lease lives, whatever the timeout of the store is. After half of what is left of the lease a
   * second renewal is sent beside it, and the one that is answered first counts.
   */
  async #renewInTime(): Promise<boolean> {
    const { clock } = this.#queue.host;
    const answered = new AbortController();
    const first = this.#renewOnce().finally(() => answered.abort());
    const leftMs = this.#claim.leaseUntil - clock.monotonic();
    if (leftMs <= 0) return first;
    await clock.sleep(leftMs / 2, { signal: answered.signal });
    if (answered.signal.aborted || this.#stop.signal.aborted) return first;
    const second = this.#renewOnce();
    return (await Promise.race([first, second])) || (await Promise.all([first, second])).includes(true);
  }

  async #renewOnce(): Promise<boolean> {
    const { clock } = this.#queue.host;
    const sentAt = clock.monotonic();
    try {
      const renewed = await renewClaim(this.#queue, this.#claim, this.#leaseMs);
      if (renewed.kind === "lost") {
        this.#lost.abort();
        return false;
      }
      // Of two that were under way the later one stands in the bucket: a renewal never shortens a lease.
      if (renewed.claim.leaseUntil >= this.#claim.leaseUntil) this.#claim = renewed.claim;
      if (renewed.claim.task.cancel_requested) this.requestCancel();
      return true;
    } catch {
      // The store does not answer: the lease runs out by our own clock, and the next heartbeat tries again.
      return false;
    } finally {
      this.#watch?.took(clock.monotonic() - sentAt);
    }
  }
}
