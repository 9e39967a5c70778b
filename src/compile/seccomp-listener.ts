/**
 * SCMP_ACT_NOTIFY: the filter as it is loaded, and what tells the agent at linux.seccomp.listenerPath about it.
 *
 * OCI runtime-spec, config-linux "The Container Process State"; seccomp_unotify(2). Pure.
 */
import { posix } from 'node:path';
import { type Op, SLOT } from '../plan/op.gen.js';
import { append } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { collect } from './report.js';
import { SECCOMP } from './seccomp/rules.js';
import { compileSeccomp } from './seccomp.js';
import { stateJson } from './state-json.js';

export interface Filter {
  /** SECCOMP, or nothing. */
  readonly ops: readonly Op[];
  readonly notifies: boolean;
}

export function compileFilter({ spec, facts, services, report }: ProcessScope): Filter {
  const profile = spec.linux?.seccomp;
  if (profile === undefined) return { ops: [], notifies: false };
  const compiled = collect(report, () => compileSeccomp(profile, facts, services));
  report.warnings.push(...(compiled?.warnings ?? []));
  return compiled === undefined ? { ops: [], notifies: false } : { ops: [compiled.op], notifies: compiled.notifies };
}

export function listenerPage({ notifies }: Filter): Op[] {
  return notifies ? [{ op: 'LISTENER_PAGE', origin: append(SECCOMP, 'listenerPath') }] : [];
}

/** bundle: absolute; a relative path starts there. isExec: the container runs, and pid is that of another process. */
export function sendListener({ spec }: ProcessScope, { notifies }: Filter, bundle: string, isExec: boolean): Op[] {
  if (!notifies) return [];
  const { listenerPath = '', listenerMetadata = '' } = spec.linux?.seccomp ?? {};
  const status = isExec ? 'running' : 'creating';
  const state = stateJson({ spec, bundle, pid: SLOT.init, status });
  const members = [
    `"ociVersion": ${JSON.stringify(spec.ociVersion)}`,
    '"fds": ["seccompFd"]',
    `"pid": ${SLOT.pid}`,
    ...(listenerMetadata === '' ? [] : [`"metadata": ${JSON.stringify(listenerMetadata)}`]),
    `"state": ${state}`,
  ];
  const message = `{${members.join(', ')}}`;
  const path = posix.resolve(bundle, listenerPath);
  return [{ op: 'SEND_LISTENER', path, message, origin: append(SECCOMP, 'listenerPath') }];
}
