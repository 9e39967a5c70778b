/**
 * The commands, in the order --help lists them. Each is loaded when it is asked for: what a command of images needs must
 * not cost a create its time.
 */
import type { Command } from './command.js';

const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map<string, () => Promise<Command>>([
  ['check', async () => (await import('./commands/check.js')).check],
  ['checkpoint', async () => (await import('./commands/checkpoint.js')).checkpoint],
  ['completion', async () => (await import('./commands/completion.js')).completion],
  ['conformance', async () => (await import('./commands/conformance.js')).conformance],
  ['create', async () => (await import('./commands/create.js')).create],
  ['daemon', async () => (await import('./commands/daemon.js')).daemon],
  ['delete', async () => (await import('./commands/delete.js')).remove],
  ['events', async () => (await import('./commands/events.js')).events],
  ['exec', async () => (await import('./commands/exec.js')).exec],
  ['features', async () => (await import('./commands/features.js')).features],
  ['help', async () => (await import('./commands/help.js')).help],
  ['image commit', async () => (await import('./commands/image-commit.js')).imageCommit],
  ['image diff', async () => (await import('./commands/image-diff.js')).imageDiff],
  ['image export', async () => (await import('./commands/image-export.js')).imageExport],
  ['image history', async () => (await import('./commands/image-history.js')).imageHistory],
  ['image import', async () => (await import('./commands/image-import.js')).imageImport],
  ['image inspect', async () => (await import('./commands/image-inspect.js')).imageInspect],
  ['image load', async () => (await import('./commands/image-load.js')).imageLoad],
  ['image ls', async () => (await import('./commands/image-ls.js')).imageLs],
  ['image mount', async () => (await import('./commands/image-mount.js')).imageMount],
  ['image prune', async () => (await import('./commands/image-prune.js')).imagePrune],
  ['image pull', async () => (await import('./commands/image-pull.js')).imagePull],
  ['image push', async () => (await import('./commands/image-push.js')).imagePush],
  ['image rm', async () => (await import('./commands/image-rm.js')).imageRm],
  ['image run', async () => (await import('./commands/image-run.js')).imageRun],
  ['image save', async () => (await import('./commands/image-save.js')).imageSave],
  ['image tag', async () => (await import('./commands/image-tag.js')).imageTag],
  ['image umount', async () => (await import('./commands/image-umount.js')).imageUmount],
  ['image verify', async () => (await import('./commands/image-verify.js')).imageVerify],
  ['kill', async () => (await import('./commands/kill.js')).kill],
  ['list', async () => (await import('./commands/list.js')).list],
  ['login', async () => (await import('./commands/login.js')).login],
  ['logout', async () => (await import('./commands/logout.js')).logout],
  ['mounts', async () => (await import('./commands/mounts.js')).mounts],
  ['pause', async () => (await import('./commands/pause.js')).pause],
  ['plan', async () => (await import('./commands/plan.js')).plan],
  ['ps', async () => (await import('./commands/ps.js')).ps],
  ['registry prune', async () => (await import('./commands/registry-prune.js')).registryPrune],
  ['registry serve', async () => (await import('./commands/registry-serve.js')).registryServe],
  ['restore', async () => (await import('./commands/restore.js')).restore],
  ['resume', async () => (await import('./commands/resume.js')).resume],
  ['run', async () => (await import('./commands/run.js')).run],
  ['spec', async () => (await import('./commands/spec.js')).spec],
  ['start', async () => (await import('./commands/start.js')).start],
  ['state', async () => (await import('./commands/state.js')).state],
  ['top', async () => (await import('./commands/top.js')).top],
  ['update', async () => (await import('./commands/update.js')).update],
  ['version', async () => (await import('./commands/version.js')).version],
  ['wait', async () => (await import('./commands/wait.js')).wait],
]);

export const NAMES: readonly string[] = [...COMMANDS.keys()];

export async function findCommand(name: string): Promise<Command | undefined> {
  return COMMANDS.get(name)?.();
}

/** For help and its kin. */
export async function allCommands(): Promise<readonly Command[]> {
  return Promise.all([...COMMANDS.values()].map((load) => load()));
}

/** The first words of commands of two: "image" of "image pull". */
export const GROUPS: readonly string[] = [
  ...new Set(NAMES.flatMap((name) => (name.includes(' ') ? [name.slice(0, name.indexOf(' '))] : []))),
];

/** Splits what follows the global options into the name of a command, of one word or two, and its arguments. */
export function splitCommand([first, ...rest]: readonly string[]): readonly [name: string | undefined, argv: string[]] {
  const [second, ...others] = rest;
  if (first === undefined || !GROUPS.includes(first) || second === undefined || second.startsWith('-'))
    return [first, rest];
  return [`${first} ${second}`, others];
}
