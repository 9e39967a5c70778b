/** All areas of the suite, in the order of reports. */
import type { Requirement } from '../harness/model.js';
import type { Area } from '../harness/run.js';
import { capabilitiesArea } from './capabilities.js';
import { cgroupsArea } from './cgroups.js';
import { documentArea } from './document.js';
import { featuresArea } from './features.js';
import { hooksArea } from './hooks.js';
import { lifecycleArea } from './lifecycle.js';
import { linuxArea } from './linux.js';
import { mountsArea } from './mounts.js';
import { namespacesArea } from './namespaces.js';
import { processArea } from './process.js';
import { seccompArea } from './seccomp.js';

export const AREAS: readonly Area[] = [
  lifecycleArea,
  documentArea,
  hooksArea,
  processArea,
  capabilitiesArea,
  mountsArea,
  namespacesArea,
  linuxArea,
  cgroupsArea,
  seccompArea,
  featuresArea,
];

export const REQUIREMENTS: readonly Requirement[] = AREAS.flatMap(({ requirements }) => requirements);
