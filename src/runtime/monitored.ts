/**
 * The use cases of a process that may be killed while containers run: create and exec below a monitor. docs/adr/0015.
 */
import type { Monitor } from '../exec/monitor.js';
import { documentOf } from '../spec/read.js';
import type { Process } from '../spec/types.gen.js';
import type { ContainerId } from '../state/container-id.js';
import { readBundle } from './bundle.js';
import { readContainer } from './container.js';
import { compileBundle } from './create.js';
import { compileProcess, readProcess } from './exec.js';
import { type Runtime, runVerb } from './runtime.js';

export type { Monitor, MonitorLog } from '../exec/monitor.js';

/** bundle: absolute path. systemdCgroup: systemd makes the cgroups. The pid of the first process, which waits for start. */
export async function createMonitored(
  runtime: Runtime,
  id: ContainerId,
  bundlePath: string,
  monitor: Monitor,
  systemdCgroup = false,
): Promise<number> {
  const bundle = readBundle(runtime, bundlePath);
  const plan = compileBundle(runtime, bundle, {
    noPivot: false,
    noNewKeyring: false,
    systemd: systemdCgroup ? { id } : null,
  });
  return (await runVerb(runtime, { verb: 'create', id, cwd: bundle.path, plan, monitor })).pid;
}

/** The pid of the program. Throws SpecError, StateError, ExecError. */
export async function execMonitored(
  runtime: Runtime,
  id: ContainerId,
  process: Process,
  monitor: Monitor,
): Promise<number> {
  const container = readContainer(runtime, id);
  const document = documentOf(process, 'process');
  const valid = readProcess(runtime, document);
  const plan = compileProcess(runtime, container, document, { process: valid, pidfdSocket: undefined, cgroup: [] });
  return (await runVerb(runtime, { verb: 'exec', id, plan, monitor })).pid;
}
