/** List prices of requests, without storage, traffic and idle workers. */
import type { Requests } from "./requests.ts";

/** A price list. Dollars for a million requests of a kind. */
export interface PriceList {
  /** The name under which reports give its prices. */
  readonly name: string;
  /** US dollars for a million requests of each kind. */
  readonly perMillion: Requests;
  /** The page with the prices. */
  readonly source: string;
  /** The day on which they were looked up. */
  readonly lookedUpOn: string;
}

const LOOKED_UP_ON = "2026-11-24";

/** List prices without free tiers or discounts; S3 in us-east-1. */
export const PRICE_LISTS: readonly PriceList[] = [
  {
    name: "S3 Standard",
    perMillion: { put: 5, get: 0.4, list: 5, delete: 0, head: 0.4 },
    source: "https://aws.amazon.com/s3/pricing/",
    lookedUpOn: LOOKED_UP_ON,
  },
  {
    // Beside requests it bills $0.0032 a GB sent and $0.0006 a GB read.
    name: "S3 Express One Zone",
    perMillion: { put: 1.13, get: 0.03, list: 1.13, delete: 0, head: 0.03 },
    source: "https://aws.amazon.com/s3/faqs/",
    lookedUpOn: LOOKED_UP_ON,
  },
  {
    name: "Cloudflare R2",
    perMillion: { put: 4.5, get: 0.36, list: 4.5, delete: 0, head: 0.36 },
    source: "https://developers.cloudflare.com/r2/pricing/",
    lookedUpOn: LOOKED_UP_ON,
  },
];

/** Dollars for a million times these requests, to the cent. */
export function dollarsPerMillion(requests: Requests, { perMillion }: PriceList): number {
  const kinds = Object.keys(requests) as (keyof Requests)[];
  return Math.round(kinds.reduce((sum, kind) => sum + requests[kind] * perMillion[kind], 0) * 100) / 100;
}
