/** All areas of the suite, in the order of reports. */
import type { Requirement } from '../harness/model.js';
import type { Area } from '../harness/run.js';
import { capabilitiesArea } from './capabilities.js';
import { hooksArea } from './hooks.js';
import { lifecycleArea } from './lifecycle.js';
import { processArea } from './process.js';

export const AREAS: readonly Area[] = [lifecycleArea, hooksArea, processArea, capabilitiesArea];

export const REQUIREMENTS: readonly Requirement[] = AREAS.flatMap(({ requirements }) => requirements);
