/** plan: what create would do with a bundle, without doing it. */
import { planToJson, printPlan } from '../plan/print.js';
import { stringifyJson } from '../util/json-write.js';
import { readBundle } from './bundle.js';
import { compileBundle } from './create.js';
import type { Runtime } from './runtime.js';

export interface PlanRequest {
  /** Absolute. */
  readonly bundle: string;
  readonly json: boolean;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
}

export function showPlan(runtime: Runtime, request: PlanRequest): string {
  const bundle = readBundle(runtime, request.bundle);
  const plan = compileBundle(runtime, bundle, request);
  return request.json ? `${stringifyJson(planToJson(plan), 2)}\n` : printPlan(plan);
}
