/**
 * mounts[]: each entry to the ops that make it, in the order of the config. What must stay writable while the
 * container is being set up becomes read-only afterwards (deferred).
 *
 * OCI runtime-spec, config "Mounts". Pure.
 */
import { posix } from 'node:path';
import type { Op } from '../plan/op.gen.js';
import type { Mount } from '../spec/types.gen.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import type { CgroupPlace } from './cgroup.js';
import type { Context } from './context.js';
import { checkMountId } from './id-maps.js';
import { compileBind, compileRemount, refuseLive, warnNoEffect } from './mount-bind.js';
import { compileCgroupMount } from './mount-cgroup.js';
import { compileFileSystem } from './mount-fs.js';
import { type ParsedOptions, parseMountOptions } from './mount-options.js';
import { refuse } from './report.js';
import type { Sources } from './sources.js';

/** A mount on its way to ops. */
export interface MountScope {
  readonly context: Context;
  readonly sources: Sources;
  /** Where the container's cgroups are. */
  readonly cgroups: readonly CgroupPlace[];
  /** Absolute, on the host. */
  readonly rootfs: string;
  /** The container runs already: nothing of it can be trusted to stay where it is. */
  readonly live: boolean;
  readonly mount: Mount;
  /** Absolute in the container, normalised. */
  readonly dest: string;
  readonly options: ParsedOptions;
  readonly at: JsonPointer;
}

export interface MountOps {
  readonly ops: readonly Op[];
  readonly deferred: readonly Op[];
}

export type MountsInput = Pick<MountScope, 'sources' | 'cgroups' | 'rootfs' | 'live'>;

export function compileMounts(context: Context, input: MountsInput): MountOps {
  const compiled = (context.spec.mounts ?? []).map((mount, index) =>
    compileMount({
      ...input,
      context,
      mount,
      dest: containerPath(mount.destination),
      options: parseMountOptions(mount.options ?? []),
      at: pointer('mounts', index),
    }),
  );
  return { ops: compiled.flatMap(({ ops }) => ops), deferred: compiled.flatMap(({ deferred }) => deferred) };
}

/** A relative destination counts from "/", as the spec says; ".." is taken away here, so that "/" is the top. */
export function containerPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/(.)\/$/, '$1');
}

/** Whether a bind covers /dev: its contents are then the host's business, nothing is made in it. */
export function isDevBound(context: Context): boolean {
  return (context.spec.mounts ?? []).some(
    ({ destination, options }) =>
      containerPath(destination) === '/dev' && parseMountOptions(options ?? []).bind !== 'no',
  );
}

function compileMount(scope: MountScope): MountOps {
  checkMount(scope);
  if (scope.options.copyUp && (scope.options.bind !== 'no' || scope.mount.type !== 'tmpfs'))
    warnNoEffect(scope, 'tmpcopyup has no effect on what is no new tmpfs');
  if (changesOnly(scope)) {
    if (scope.live) refuseLive(scope, 'options', 'cannot change one that is there');
    return compileRemount(scope);
  }
  if (scope.options.bind !== 'no') return compileBind(scope);
  const isCgroup = scope.mount.type === 'cgroup' || scope.mount.type === 'cgroup2';
  return isCgroup && !scope.live ? compileCgroupMount(scope) : compileFileSystem(scope);
}

/** remount, or a propagation without anything to mount: an existing mount is changed. */
function changesOnly({ options, mount }: MountScope): boolean {
  const nothing = (mount.type ?? '') === '' && options.bind === 'no';
  return options.remount || (nothing && options.propagation.length > 0);
}

/** What spec/ leaves to this side: the kernel and the id mappings. */
function checkMount({ context, mount, dest, options, at }: MountScope): void {
  const { report, facts } = context;
  for (const index of facts.mountApi.nosymfollow ? [] : options.nosymfollow) {
    refuse(report, 'MOUNT_OPTION_UNSUPPORTED', append(at, 'options', index), 'this kernel has no such mount option');
  }
  for (const { text, index } of options.data) checkMountId(context, text, at, index);
  // What covers /proc decides what the program, and whoever reads its /proc/self, believes: CVE-2019-16884.
  if (dest === '/proc' && options.bind !== 'no' && !options.remount && containerPath(mount.source ?? '') !== '/proc') {
    refuse(report, 'MOUNT_OVER_PROC', append(at, 'source'), "must be the host's /proc for a bind on /proc", {
      value: mount.source,
    });
  }
}
