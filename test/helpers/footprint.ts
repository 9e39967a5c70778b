// What a daemon has on the disk, mounted, and in its network namespace, but for the content of images and volumes: two of
// these are the same when nothing of what was done in between is left.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemon } from './daemon.js';

/** Content, and files that are there as long as the daemon is. */
const CONTENT = /(?:^|\/)(?:rootfs|fs|_data)$/;
const OWN = /daemon\/state\.mdb|\.lock$/;

/** home: a process in the daemon's network namespace. */
export function footprint(daemon: Pick<Daemon, 'at' | 'directory'>, home: number): string[] {
  const files = ['data', 'exec'].flatMap((root) => filesIn(daemon.at(root), root));
  const roots = ['data', 'exec', 'disk'].map((name) => daemon.at(name));
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${daemon.directory}/`) && !roots.includes(point));
  const links = inNetwork(home, 'ip', '-o', 'link')
    .split('\n')
    .map((line) => line.split(':')[1]?.trim() ?? '');
  const rules = inNetwork(home, 'nft', 'list', 'ruleset').split('\n');
  return [...files, ...mounts.map((point) => `mount ${point}`), ...links.map((name) => `link ${name}`), ...rules];
}

/** What one has and the other has not. */
export function left(before: readonly string[], after: readonly string[]): string[] {
  const more = after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`);
  return [...more, ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`)];
}

function inNetwork(home: number, ...argv: readonly string[]): string {
  return spawnSync('nsenter', ['--net', '--target', String(home), ...argv], { encoding: 'utf8' }).stdout;
}

function filesIn(directory: string, name: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = `${name}/${entry.name}`;
    if (OWN.test(path)) return [];
    return entry.isDirectory() && !CONTENT.test(path) ? [path, ...filesIn(join(directory, entry.name), path)] : [path];
  });
}
