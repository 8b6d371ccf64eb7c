export { collectLog } from '../../src/kit/workflow/index.js';
