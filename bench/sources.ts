// Loaded before servers under measurement: they find their files as the program itself does.
import { findSources } from '#lib/source-imports.ts'

findSources(new URL('../src/', import.meta.url).href)
