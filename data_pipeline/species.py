"""What the built-in pseudo-species sing and call: one table of voices.Pattern.

No such birds exist. Five pairs are deliberately confusable: same band, and only the direction, the shape or the rhythm of
the syllables tells them apart, so that band energy alone cannot.
"""

from __future__ import annotations

from data_pipeline.voices import Pattern

CONFUSABLE = (
    ('gltpip', 'tinpip'),  # up-sweeps, down-sweeps
    ('lebfin', 'grbfin'),  # bells that alternate, bells that descend
    ('holowl', 'embdov'),  # long hoots, purring pulses
    ('quiwar', 'tumthr'),  # arches, dips
    ('needti', 'spatit'),  # long thin whistles, ticks
)

_BELL = ((1.0, 1.0), (2.0, 0.1), (3.0, 0.02))
_HOOT = ((1.0, 1.0), (2.0, 0.12), (3.0, 0.05))
_NASAL = ((1.0, 0.5), (2.0, 0.9), (3.0, 1.0), (4.0, 0.7), (5.0, 0.35), (6.0, 0.2), (7.0, 0.1))
_RATTLE = ((1.0, 1.0), (1.47, 0.9), (2.13, 0.8), (2.9, 0.5))

PATTERNS: dict[str, dict[str, Pattern]] = {
    'gltpip': dict(
        song=Pattern(3300, 5200, 'up', ((0.068, 0.026),), (0.9, 1.5)),
        call=Pattern(3400, 5000, 'up', ((0.2, 0.0),), (0.17, 0.28), count=1)),
    'tinpip': dict(
        song=Pattern(3300, 5200, 'down', ((0.068, 0.026),), (0.9, 1.5)),
        call=Pattern(3400, 5000, 'down', ((0.2, 0.0),), (0.17, 0.28), count=1)),
    'lebfin': dict(
        song=Pattern(2450, 2600, 'flat', ((0.15, 0.04),), (0.9, 1.5), steps=(1.14, 0.9), attack=0.1, release=0.5,
                     decay=1.6, tones=_BELL, vibrato=(26.0, 0.004)),
        call=Pattern(2500, 2850, 'down', ((0.28, 0.0),), (0.25, 0.4), count=1, attack=0.08, release=0.5, decay=1.5,
                     tones=_BELL)),
    'grbfin': dict(
        song=Pattern(2450, 2600, 'flat', ((0.15, 0.04),), (0.9, 1.5), steps=(1.24, 0.84), ladder=True, attack=0.1,
                     release=0.5, decay=1.6, tones=_BELL, vibrato=(26.0, 0.004)),
        call=Pattern(2450, 2650, 'flat', ((0.13, 0.05), (0.17, 0.05)), (0.32, 0.45), count=2, steps=(0.92, 1.1),
                     attack=0.1, release=0.5, decay=1.4, tones=_BELL)),
    'holowl': dict(
        song=Pattern(510, 620, 'arch', ((0.4, 0.22), (0.11, 0.07), (0.38, 0.2)), (1.2, 1.6), attack=0.25, tones=_HOOT,
                     swell=(0.8, 0.8, 1.0), vibrato=(7.0, 0.012)),
        call=Pattern(480, 720, 'up', ((0.35, 0.0),), (0.3, 0.5), count=1, tones=_HOOT)),
    'embdov': dict(
        song=Pattern(480, 620, 'arch', ((0.05, 0.025),) * 5 + ((0.05, 0.17),), (1.1, 1.6), attack=0.3, release=0.4,
                     tones=_HOOT),
        call=Pattern(480, 720, 'down', ((0.3, 0.0),), (0.28, 0.45), count=1, tones=_HOOT, am=(14.0, 0.85))),
    'quiwar': dict(
        song=Pattern(2500, 4300, 'arch', ((0.115, 0.05),), (0.9, 1.5), steps=(1.0, 1.0, 0.93), vibrato=(30.0, 0.008)),
        call=Pattern(2600, 4100, 'arch', ((0.11, 0.06),), (0.25, 0.32), count=2)),
    'tumthr': dict(
        song=Pattern(2500, 4300, 'dip', ((0.115, 0.05),), (0.9, 1.5), steps=(1.0, 1.0, 0.93), vibrato=(30.0, 0.008)),
        call=Pattern(2600, 4100, 'dip', ((0.28, 0.0),), (0.24, 0.36), count=1)),
    'needti': dict(
        song=Pattern(6200, 7100, 'flat', ((0.27, 0.08),), (0.9, 1.5), steps=(1.05, 1.0, 0.96), vibrato=(20.0, 0.004),
                     tones=((1.0, 1.0),)),
        call=Pattern(6300, 7300, 'flat', ((0.3, 0.0),), (0.25, 0.4), count=1, tones=((1.0, 1.0),))),
    'spatit': dict(
        song=Pattern(6100, 7300, 'down', ((0.04, 0.042),), (0.8, 1.3), tones=((1.0, 1.0),), attack=0.15,
                     swell=(0.5, 1.0, 0.6)),
        call=Pattern(6100, 7300, 'down', ((0.04, 0.045),), (0.19, 0.26), count=3, tones=((1.0, 1.0),), attack=0.15)),
    'ratsta': dict(
        song=Pattern(1500, 2100, 'down', ((0.032, 0.065),), (0.9, 1.4), accelerando=0.6, attack=0.08, release=0.6,
                     decay=1.5, rough=0.06, tones=_RATTLE),
        call=Pattern(1700, 2100, 'arch', ((0.35, 0.0),), (0.3, 0.5), count=1, rough=0.09, tones=_RATTLE,
                     am=(62.0, 0.7), attack=0.15)),
    'lanjay': dict(
        song=Pattern(620, 960, 'hook', ((0.17, 0.07),), (0.9, 1.5), steps=(1.0, 1.06, 0.97), tones=_NASAL,
                     vibrato=(18.0, 0.012)),
        call=Pattern(700, 1050, 'down', ((0.4, 0.0),), (0.35, 0.55), count=1, tones=_NASAL, am=(33.0, 0.5),
                     rough=0.004)),
}

CODES = tuple(PATTERNS)
