/**
 * hooks: the programs that engines run at points of a container's life. A hook gets the environment of its config
 * entry and nothing else: what the runtime was started with is none of its business. Without one, startContainer hooks,
 * which are programs of the container, get that of its process, as in runc since 1.2.
 *
 * OCI runtime-spec, config "POSIX-platform Hooks", runtime "Lifecycle". Pure.
 */
import { HOOK, type Op, STATUS } from '../plan/op.gen.js';
import type { Hooks } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { pointer } from '../util/pointer.js';
import { environment } from './environment.js';

/** Which number each kind has, and the status of the container that its state document shows. */
const KINDS = {
  prestart: [HOOK.PRESTART, STATUS.CREATING],
  createRuntime: [HOOK.CREATE_RUNTIME, STATUS.CREATING],
  createContainer: [HOOK.CREATE_CONTAINER, STATUS.CREATING],
  startContainer: [HOOK.START_CONTAINER, STATUS.CREATED],
  poststart: [HOOK.POSTSTART, STATUS.RUNNING],
  poststop: [HOOK.POSTSTOP, STATUS.STOPPED],
} as const;

export function compileHooks(spec: ValidSpec, kind: keyof Hooks & keyof typeof KINDS): Op[] {
  const [number, status] = KINDS[kind];
  const inherited = kind === 'startContainer' ? environment(spec.process?.env) : [];
  return (spec.hooks?.[kind] ?? []).map(({ path, args, env, timeout }, index) => ({
    op: 'RUN_HOOK',
    kind: number,
    status,
    path,
    args: args ?? [path],
    env: env ?? inherited,
    timeout: Math.min((timeout ?? 0) * 1000, 0xffff_ffff),
    withHome: kind === 'startContainer' && env === undefined ? 1 : 0,
    origin: pointer('hooks', kind, index),
  }));
}
