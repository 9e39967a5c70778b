/**
 * Volumes while containers have them: those with options are mounted when the first one comes and unmounted when the last
 * one goes; an empty one is filled with what the image has at its place.
 */
import { lookup } from 'node:dns/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { copyOfImage } from '../snapshot/copy-tree.js';
import { HelperError, runHelper } from '../snapshot/helper.js';
import { volumeError } from './errors.js';
import { type VolumeMount, volumeMount } from './options.js';
import type { VolumeStore } from './store.js';

/** mountinfo escapes spaces and the like. proc(5). */
function isMounted(path: string): boolean {
  const escaped = path.replace(/[\s\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === escaped);
}

/** Its path, mounted if its options say so. Throws TsrunError VOLUME_NOT_FOUND, VOLUME_FAILED. */
export async function mountVolume(store: VolumeStore, name: string): Promise<string> {
  const path = store.pathOf(name);
  const mount = volumeMount(store.get(name).options);
  if (mount === undefined || isMounted(path)) return path;
  const { type, device, flags, data } = await resolved(mount);
  try {
    await runHelper({ verb: 'volume', args: [path, type, device, String(flags), data], subject: `volume ${name}` });
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    throw volumeError(
      'VOLUME_FAILED',
      `error while mounting volume '${path}': failed to mount local volume: mount ${device}:${path}, type: ${type}, data: ${data}: ${error.message}`,
      error,
    );
  }
  return path;
}

/** nfs in the kernel knows no names: addr= must be a number. */
async function resolved(mount: VolumeMount): Promise<VolumeMount> {
  const match = /(?:^|,)addr=([^,]+)/.exec(mount.data);
  const name = match?.[1];
  if (!mount.type.startsWith('nfs') || name === undefined || isIP(name) !== 0) return mount;
  const { address } = await lookup(name);
  return { ...mount, data: mount.data.replace(`addr=${name}`, `addr=${address}`) };
}

/** Of a volume that no container has any more. */
export async function unmountVolume(store: VolumeStore, name: string): Promise<void> {
  if (!store.has(name)) return;
  const path = store.pathOf(name);
  if (volumeMount(store.get(name).options) === undefined || !isMounted(path)) return;
  await runHelper({ verb: 'unmount', args: [path], subject: `volume ${name}` });
}

/** What the image has at destination is copied into an empty volume. directories: what shows the image, uppermost first. */
export async function fillVolume(path: string, directories: readonly string[], destination: string): Promise<void> {
  if (readdirSync(path).length === 0) await copyOfImage(directories, destination, path);
}
