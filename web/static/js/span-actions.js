// What can be done with a chosen span: nothing yet. Holding and exporting take this module's place.

import { make } from './dom.js';
import { t } from './i18n.js';

/** @param {HTMLElement} element @param {{camera: string, from_ms: number, to_ms: number}} _span */
export function mountSpanActions(element, _span) {
  element.replaceChildren(make('p', 'small mut', [t('review.span.later')]));
}
