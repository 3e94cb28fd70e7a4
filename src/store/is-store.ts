/** Checks that a value is a store. */
import { type Check, objectWith } from "../settings.ts";
import type { ObjectStore } from "./object-store.ts";

/** A store of any class; `storeCases` tests whether it is a good one. */
export const isStore: Check<ObjectStore> = objectWith(
  "capabilities",
  "get",
  "put",
  "delete",
  "list",
  "versions",
  "getVersion",
  "time",
);
