/** `tsrun image run`: a container of an image, from the reference to the exit status. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { TsrunError, UsageError } from '../../errors.js';
import type { ContentStore, StoredImage } from '../../image/store.js';
import type { Mount } from '../../spec/types.gen.js';
import { parseContainerId } from '../../state/container-id.js';
import { quote } from '../../util/quote.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { openProgress } from '../progress.js';
import { MOVING, pullReference } from '../pull.js';
import { REGISTRY_OPTIONS } from '../registry-options.js';
import { openSnapshots, SNAPSHOT_OPTIONS } from '../snapshots.js';

/** A variable without a value is taken from the caller's environment, which is the allow-list of bin/tsrun. */
function environmentOf(entries: readonly string[]): string[] {
  return entries.map((entry) => {
    if (entry.indexOf('=') > 0) return entry;
    throw new UsageError(`--env: ${quote(entry)} is not NAME=value`, '--env');
  });
}

function labelsOf(entries: readonly string[]): { readonly [key: string]: string } {
  return Object.fromEntries(
    entries.map((entry) => {
      const [key = '', ...value] = entry.split('=');
      if (key === '') throw new UsageError(`--label: ${quote(entry)} is not KEY=value`, '--label');
      return [key, value.join('=')];
    }),
  );
}

/** SOURCE:DESTINATION[:ro]. The source is made where it is missing, as docker does. */
function volumeOf(text: string): Mount {
  const [source = '', destination = '', mode = 'rw', ...more] = text.split(':');
  const refuse = (why: string) => new UsageError(`--volume: ${quote(text)}: ${why}`, '--volume');
  if (!source.startsWith('/')) throw refuse('the source must be an absolute path; named volumes there are none');
  if (!destination.startsWith('/')) throw refuse('the destination must be an absolute path');
  if ((mode !== 'rw' && mode !== 'ro') || more.length > 0) throw refuse("the mode must be 'rw' or 'ro'");
  mkdirSync(source, { recursive: true });
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', mode === 'ro' ? 'rro' : 'rw'] };
}

function isHostNetwork(text = 'none'): boolean {
  if (text === 'host') return true;
  if (text === 'none') return false;
  throw new UsageError(`--network: ${quote(text)} is neither 'none' nor 'host'`, '--network');
}

type Called = Parameters<typeof pullReference>[0] & { readonly options: { readonly quiet: boolean } };

/** Progress goes to stderr: stdout is the program's. */
async function findOrPull(invocation: Called, content: ContentStore, name: string): Promise<StoredImage> {
  try {
    return content.resolve(name);
  } catch (error) {
    if (!(error instanceof TsrunError && error.code === 'IMAGE_NOT_FOUND')) throw error;
  }
  const { parseReference, withDefaultTag } = await import('../../registry/reference.js');
  const { hostPlatform } = await import('../../image/platform.js');
  const { stored } = await pullReference(invocation, content, {
    reference: withDefaultTag(parseReference(name)),
    ...{ platform: hostPlatform(process.arch), platformGiven: false, mirrors: [] },
    progress: openProgress(invocation.options.quiet, MOVING, 'stderr'),
  });
  return stored;
}

export const imageRun = defineCommand({
  name: 'image run',
  summary: 'run a program in a new container of an image',
  usage: '<image> [command] [args...]',
  description: [
    'Gets the image if the store does not have it, unpacks its layers, and runs its program, or the command behind the',
    'image, in a new container on a writable layer of its own. What the image and the options do not say is as Docker has',
    'it: capabilities, mounts, masked paths, seccomp profile. The container and what it wrote are removed when its program',
    'has ended, unless --keep is given. The exit status is that of the program. A volume of the image is a directory of the',
    'container that commit and diff do not see, filled with what the image has there.',
  ],
  examples: [
    '# tsrun image run -it busybox',
    '# tsrun image run -e A=b -v /srv/data:/data:ro --network host alpine cat /data/file',
    '# tsrun image run --keep --name work debian touch /new && tsrun image commit work debian:new',
  ],
  args: [1, Number.POSITIVE_INFINITY],
  userNamespace: true,
  programArgs: true,
  failureStatus: 125,
  options: {
    name: { kind: 'text', help: 'id of the container', shownDefault: 'twelve random digits' },
    tty: { kind: 'flag', short: 't', help: 'give the program a terminal' },
    interactive: { kind: 'flag', short: 'i', help: 'accepted: standard input is always passed on' },
    env: { kind: 'list', short: 'e', help: 'NAME=value for the environment; may be repeated' },
    workdir: { kind: 'text', short: 'w', help: 'working directory', shownDefault: "the image's" },
    user: {
      kind: 'text',
      short: 'u',
      help: 'user[:group], by name of the image or number',
      shownDefault: "the image's",
    },
    volume: { kind: 'list', short: 'v', help: 'SOURCE:DESTINATION[:ro] of the host; may be repeated' },
    entrypoint: { kind: 'text', help: "program in place of the image's entrypoint; empty for none", keepsEmpty: true },
    network: { kind: 'text', help: "'none', or 'host' for that of the host", shownDefault: 'none' },
    hostname: { kind: 'text', help: 'host name', shownDefault: 'the id' },
    apparmor: {
      kind: 'text',
      help: "AppArmor profile, or 'unconfined'",
      shownDefault: 'tsrun-default where the host has AppArmor',
    },
    label: { kind: 'list', short: 'l', help: 'KEY=value for an annotation; may be repeated' },
    'read-only': { kind: 'flag', help: 'let nobody write to the root file system' },
    rm: { kind: 'flag', help: 'accepted: containers are removed unless --keep is given' },
    keep: { kind: 'flag', help: 'keep the stopped container and what it wrote, until "tsrun delete"' },
    detach: { kind: 'flag', short: 'd', help: 'do not wait for the program; print the id' },
    quiet: { kind: 'flag', short: 'q', help: 'say nothing while the image is pulled' },
    ...SNAPSHOT_OPTIONS,
    ...REGISTRY_OPTIONS,
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options, runtime } = invocation;
    const [name = '', ...command] = args;
    const id = parseContainerId(options.name ?? randomBytes(6).toString('hex'));
    const request = {
      id,
      args: command,
      entrypoint: options.entrypoint,
      env: environmentOf(options.env),
      workingDir: options.workdir,
      terminal: options.tty,
      readOnly: options['read-only'],
      hostNetwork: isHostNetwork(options.network),
      labels: labelsOf(options.label),
      user: options.user,
      hostname: options.hostname,
      apparmor: options.apparmor,
      mounts: options.volume.map(volumeOf),
      detach: options.detach,
      keep: options.keep || options.detach,
    };
    const content = await openImageStore(invocation);
    const snapshots = await openSnapshots(content, options.snapshotter);
    const { collectRuns } = await import('../../bundle/collect.js');
    await collectRuns(runtime, content.dataRoot, snapshots.store);
    const { runImage } = await import('../../bundle/run.js');
    await runImage(runtime, content, snapshots, { ...request, stored: await findOrPull(invocation, content, name) });
    print(`${id}\n`);
    return 0;
  },
});
