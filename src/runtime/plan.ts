/** plan: what create would do with a bundle, or what it would do differently with another one. Does none of it. */
import { diffPlans, diffToJson, printDiff } from '../plan/diff.js';
import { explainPlan } from '../plan/explain.js';
import type { Plan } from '../plan/plan.js';
import { planToJson, printPlan } from '../plan/print.js';
import { stringifyJson } from '../util/json-write.js';
import { type Bundle, readBundleOrConfig } from './bundle.js';
import { compileBundle } from './create.js';
import type { Runtime } from './runtime.js';

export interface PlanChoices {
  readonly form: 'explanation' | 'list' | 'json';
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly systemdCgroup: boolean;
}

/** In the names of units, for a container that is not there yet. */
export const SOME_ID = 'ID';

function planOf(runtime: Runtime, path: string, choices: PlanChoices): { bundle: Bundle; plan: Plan } {
  const bundle = readBundleOrConfig(runtime, path);
  const systemd = choices.systemdCgroup ? { id: SOME_ID } : null;
  return { bundle, plan: compileBundle(runtime, bundle, { ...choices, systemd }) };
}

/** path: absolute, of a bundle or of a config in one. */
export function showPlan(runtime: Runtime, path: string, choices: PlanChoices): string {
  const { plan } = planOf(runtime, path, choices);
  if (choices.form === 'json') return `${stringifyJson(planToJson(plan), 2)}\n`;
  return choices.form === 'list' ? printPlan(plan) : explainPlan(plan);
}

/** Both for this host. */
export function comparePlans(runtime: Runtime, [a, b]: readonly [string, string], choices: PlanChoices): string {
  const [before, after] = [planOf(runtime, a, choices), planOf(runtime, b, choices)];
  const changes = diffPlans(before.plan, after.plan, [before.bundle.path, after.bundle.path]);
  return choices.form === 'json' ? `${stringifyJson(diffToJson(changes), 2)}\n` : printDiff(changes);
}
