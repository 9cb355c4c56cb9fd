import { writeFileSync } from 'node:fs';
import { referenceFiles } from './reference.ts';

for (const [path, text] of Object.entries(referenceFiles())) writeFileSync(path, text);
