"""An accessibility audit of an open page: the rules of WCAG 2.2 AA that a machine can judge, in one script."""

from __future__ import annotations

from playwright.sync_api import Page

_SCRIPT = r"""
() => {
  const found = [];
  const say = (rule, node, more = '') => found.push(`${rule}: ${node.outerHTML?.slice(0, 90) ?? ''} ${more}`.trim());
  const shown = (node) => {
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    return style.visibility !== 'hidden' && style.display !== 'none' && box.width > 1 && box.height > 1;
  };
  const rgb = (text) => { const m = text.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return null;
      const colour = rgb(style.backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const nameOf = (node) => {
    const by = node.getAttribute('aria-labelledby');
    const label = node.id ? document.querySelector(`label[for="${node.id}"]`) : null;
    const text = by ? by.split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ')
      : node.getAttribute('aria-label') ?? label?.textContent ?? node.closest('label')?.textContent ?? node.textContent;
    return (text ?? '').trim();
  };
  if (!document.documentElement.lang) say('html-has-lang', document.documentElement);
  if (!document.title.trim()) say('document-title', document.head);
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`duplicate-id: ${id}`);
  if (document.querySelectorAll('main').length !== 1) say('landmark-one-main', document.body);
  if (document.querySelectorAll('h1').length !== 1) say('page-has-heading-one', document.body);
  let level = 0;
  for (const node of document.querySelectorAll('h1,h2,h3,h4')) {
    if (Number(node.tagName[1]) > level + 1) say('heading-order', node);
    level = Number(node.tagName[1]);
  }
  for (const node of document.querySelectorAll('a,button,input:not([type=hidden]),select,textarea')) {
    if (!shown(node)) continue;
    if (!nameOf(node)) say('control-name', node);
    const box = node.getBoundingClientRect();
    const round = ['radio', 'checkbox'].includes(node.type) ? node.closest('label') : node.closest('.site');
    const area = (round ?? node).getBoundingClientRect();
    if (!node.classList.contains('vh') && (area.width < 24 || area.height < 24)) say('target-size', node);
  }
  for (const node of document.querySelectorAll('[role=img]')) if (!node.getAttribute('aria-label')) say('role-img-alt', node);
  for (const node of document.querySelectorAll('svg')) if (node.getAttribute('aria-hidden') !== 'true' && !node.getAttribute('aria-label') && !node.closest('[aria-hidden=true]')) say('svg-alt', node);
  for (const node of document.querySelectorAll('ul,ol')) for (const child of node.children) if (child.tagName !== 'LI') say('list', child);
  for (const node of document.querySelectorAll('dl')) for (const child of node.children) if (!['DT', 'DD', 'DIV'].includes(child.tagName)) say('definition-list', child);
  for (const node of document.querySelectorAll('th')) if (!node.scope) say('th-scope', node);
  for (const node of document.querySelectorAll('[aria-labelledby],[aria-describedby]'))
    for (const id of `${node.getAttribute('aria-labelledby') ?? ''} ${node.getAttribute('aria-describedby') ?? ''}`.trim().split(/\s+/))
      if (!document.getElementById(id)) say('aria-valid-reference', node, id);
  for (const node of document.querySelectorAll('[tabindex]')) if (Number(node.tabIndex) > 0) say('tabindex', node);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || !shown(node) || node.closest('script,style,template,.vh')) continue;
    const style = getComputedStyle(node), back = behind(node);
    if (!back) continue;
    const [a, b] = [light(rgb(style.color)), light(back)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) say('color-contrast', node, ratio.toFixed(2));
  }
  for (const node of document.querySelectorAll('.sites .pip')) {
    const colour = rgb(getComputedStyle(node).backgroundColor), back = behind(node.parentElement);
    const [a, b] = [light(colour), light(back)].sort((x, y) => y - x);
    const kind = node.classList.contains('good');
    if ((a + 0.05) / (b + 0.05) < (kind ? 1.5 : 3)) say('non-text-contrast', node, ((a + 0.05) / (b + 0.05)).toFixed(2));
  }
  return [...new Set(found)];
}
"""


_TARGETS = r"""
(least) => {
  const found = [];
  for (const node of document.querySelectorAll('a,button,select,summary,textarea,input:not([type=hidden])')) {
    const style = getComputedStyle(node);
    if (node.classList.contains('vh') || style.visibility === 'hidden' || !node.checkVisibility()) continue;
    const inText = node.tagName === 'A' && style.display === 'inline';  // WCAG 2.5.8 leaves these to the text
    if (inText) continue;
    const round = ['radio', 'checkbox'].includes(node.type) ? node.closest('label') : null;
    const {width, height} = (round ?? node).getBoundingClientRect();
    if (width > 1 && (height < least - 0.5 || width < Math.min(least, 32) - 0.5))
      found.push(`${width.toFixed(0)}x${height.toFixed(0)} ${node.outerHTML.slice(0, 110)}`);
  }
  return found;
}
"""
_FOCUS = r"""
() => {
  const found = [];
  for (const node of document.querySelectorAll('a[href],button,select,summary,textarea,input:not([type=hidden])')) {
    if (!node.checkVisibility() || node.disabled) continue;
    node.focus({focusVisible: true, preventScroll: true});
    if (document.activeElement !== node) continue;
    const shown = [node, node.nextElementSibling, node.closest('label')].filter(Boolean).some((one) => {
      const style = getComputedStyle(one);
      return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    });
    if (!shown) found.push(node.outerHTML.slice(0, 110));
  }
  document.activeElement?.blur();
  return found;
}
"""
_MOVES = r"""
() => [...document.querySelectorAll('*')].filter((node) => {
  const style = getComputedStyle(node);
  return style.animationName !== 'none' || (style.transitionDuration.split(',').some((one) => parseFloat(one) > 0)
    && style.transitionProperty !== 'none');
}).map((node) => node.outerHTML.slice(0, 110))
"""
_LARGER = r"""
() => {
  const all = [...document.querySelectorAll('body, body *')].filter((node) => !node.closest('svg, template'));
  const sizes = all.map((node) => parseFloat(getComputedStyle(node).fontSize));
  all.forEach((node, at) => node.style.setProperty('font-size', `${sizes[at] * 2}px`, 'important'));
  const cut = [];
  for (const node of document.querySelectorAll('h1, h2, h3, label, button, .btn, .chip, summary, th, td, legend')) {
    const style = getComputedStyle(node);
    if (!node.checkVisibility() || node.closest('.vh') || style.clipPath !== 'none') continue;
    if (style.overflowX !== 'visible' && node.scrollWidth > node.clientWidth + 1) cut.push(node.outerHTML.slice(0, 110));
  }
  all.forEach((node) => node.style.removeProperty('font-size'));
  return cut;
}
"""


def small_targets(page: Page, least_px: int) -> list[str]:
    """Return what a finger or a pointer would miss; links within a line of text are as high as the text."""
    return list(page.evaluate(_TARGETS, least_px))


def unmarked_focus(page: Page) -> list[str]:
    """Return what shows no outline while the keyboard is on it (WCAG 2.2, 2.4.7)."""
    return list(page.evaluate(_FOCUS))


def moving(page: Page) -> list[str]:
    """Return what moves although the person asked for less motion."""
    page.emulate_media(reduced_motion="reduce")
    found = list(page.evaluate(_MOVES))
    page.emulate_media(reduced_motion="no-preference")
    return found


def cut_when_larger(page: Page) -> list[str]:
    """Return the words that are cut off when all text is twice as large (WCAG 2.2, 1.4.4)."""
    return list(page.evaluate(_LARGER))


def audit(page: Page) -> list[str]:
    """Return what breaks a rule, empty if nothing does."""
    return list(page.evaluate(_SCRIPT))
