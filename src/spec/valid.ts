/**
 * What travels after validation: the same interfaces with a brand that only validate.ts gives.
 *
 * Pure: types only.
 */
import type { SpecIssue } from '../errors.js';
import type { Config, LinuxResources, Process } from './types.gen.js';

declare const brand: unique symbol;

export type ValidSpec = Config & { readonly [brand]: 'ValidSpec' };
export type ValidProcess = Process & { readonly [brand]: 'ValidProcess' };
export type ValidResources = LinuxResources & { readonly [brand]: 'ValidResources' };

export interface Reading {
  /** Warn of every property that the spec does not have, not only of those that look like typing errors. */
  readonly everyUnknown?: boolean;
}

export interface Validated<T> {
  readonly value: T;
  readonly warnings: readonly SpecIssue[];
}
