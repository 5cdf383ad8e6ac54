export { loadApp, type LoadedApp, type LoadFailure, type LoadOptions } from './run/loader.ts'
