/**
 * Platforms: os/architecture[/variant], in the words of Go (image-spec config.md), and which manifest of an index fits.
 * A processor runs what was built for an older one of its kind: arm v8 also v7, v6, v5; amd64 v3 also v2 and v1.
 *
 * Pure.
 */
import { TsrunError, UsageError } from '../errors.js';
import { quote } from '../util/quote.js';
import type { Descriptor, Index, Platform } from './manifest.js';

/** Node's process.arch and uname's names, to Go's. */
const ARCHITECTURES: { readonly [name: string]: string } = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  ia32: '386',
  i386: '386',
  i686: '386',
  x86: '386',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  ppc64el: 'ppc64le',
  loong64: 'loong64',
};
const DEFAULT_VARIANT: { readonly [architecture: string]: string } = { arm64: 'v8', arm: 'v7', amd64: 'v1' };
const PLATFORM = /^[a-z0-9_]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;
/** BuildKit puts attestations into the index under a platform that no machine has. */
const ATTESTATION = 'vnd.docker.reference.type';

const normalArchitecture = (name: string): string => ARCHITECTURES[name] ?? name;

/** nodeArch: process.arch. */
export function hostPlatform(nodeArch: string): Platform {
  return { os: 'linux', architecture: normalArchitecture(nodeArch) };
}

/** --platform. "arm64" and "arm/v7" mean those of Linux. Throws UsageError. */
export function parsePlatform(text: string): Platform {
  const lower = text.toLowerCase();
  const [first = ''] = lower.split('/');
  const isArchitecture = normalArchitecture(first) in DEFAULT_VARIANT || Object.values(ARCHITECTURES).includes(first);
  const full = isArchitecture || first in ARCHITECTURES ? `linux/${lower}` : lower;
  if (!PLATFORM.test(full))
    throw new UsageError(
      `--platform: ${quote(text, 64)}: unknown operating system or architecture`,
      '--platform',
      'write it as linux/arm64/v8',
    );
  const [os = '', architecture = '', variant] = full.split('/');
  return { os, architecture: normalArchitecture(architecture), ...(variant === undefined ? {} : { variant }) };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

const level = (platform: Platform): number => {
  const variant = platform.variant ?? DEFAULT_VARIANT[normalArchitecture(platform.architecture)] ?? 'v0';
  return Number(/^v(\d+)/.exec(variant)?.[1] ?? 0);
};

/** How well an image of a platform runs on the wanted one: undefined for not at all, the higher the better. */
export function fit(image: Platform, wanted: Platform): number | undefined {
  const [have, want] = [normalArchitecture(image.architecture), normalArchitecture(wanted.architecture)];
  if (image.os !== wanted.os) return undefined;
  if (have === want)
    return level(image) <= level(wanted) || !(want in DEFAULT_VARIANT) ? 100 + level(image) : undefined;
  return have === 'arm' && want === 'arm64' && level(image) <= 8 ? level(image) : undefined;
}

/** reference: for the message. Throws TsrunError IMAGE_PLATFORM, which lists what there is. */
export function choosePlatform(index: Index, wanted: Platform, reference: string): Descriptor {
  const images = index.manifests.filter(({ annotations = {} }) => annotations[ATTESTATION] === undefined);
  let best: Descriptor | undefined;
  let bestFit = -1;
  for (const image of images) {
    // Without a platform it is for whoever finds it: other tools' layouts of one image.
    const how = image.platform === undefined ? 0 : fit(image.platform, wanted);
    if (how !== undefined && how > bestFit) [best, bestFit] = [image, how];
  }
  if (best !== undefined) return best;
  const there = images.map(({ platform }) => (platform === undefined ? 'any' : formatPlatform(platform)));
  throw new TsrunError('IMAGE_PLATFORM', `image ${quote(reference)}: there is none for ${formatPlatform(wanted)}`, {
    hint:
      there.length === 0
        ? 'the index is empty'
        : `it is there for ${quote([...new Set(there)].join(', ')).slice(1, -1)}`,
  });
}
