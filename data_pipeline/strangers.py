"""Voices that no split of a data set holds: what a detector of the built-in birds should not take for one of them.

No such birds exist either. They sing in the same surroundings, at the same distances and levels:

  soundscape.generate(seed, index, patterns=strangers.LOOK_ALIKES)
"""

from __future__ import annotations

from data_pipeline.voices import Pattern

# Unlike all of species.PATTERNS: their bands, their contours or their spectra are in none.
UNLIKE: dict[str, dict[str, Pattern]] = {
    'boomer': dict(  # low booms, under the owl
        song=Pattern(230, 290, 'arch', ((0.5, 0.35),), (1.2, 1.8), attack=0.4, release=0.5, tones=((1.0, 1.0), (2.0, 0.2))),
        call=Pattern(220, 330, 'down', ((0.45, 0.0),), (0.4, 0.6), count=1)),
    'warbler': dict(  # one long line that swings over an octave
        song=Pattern(1900, 2100, 'flat', ((1.2, 0.1),), (1.0, 1.7), vibrato=(5.0, 0.35), attack=0.1, release=0.1),
        call=Pattern(1800, 2300, 'arch', ((0.4, 0.0),), (0.35, 0.5), count=1, vibrato=(12.0, 0.25))),
    'sweeper': dict(  # whole-range sweeps
        song=Pattern(1500, 7200, 'up', ((0.5, 0.15),), (1.1, 1.7), attack=0.1, release=0.15),
        call=Pattern(1500, 6800, 'down', ((0.35, 0.0),), (0.3, 0.45), count=1)),
    'drummer': dict(  # knocks without a pitch
        song=Pattern(700, 1300, 'down', ((0.018, 0.05),), (0.7, 1.2), rough=0.2, decay=2.0, attack=0.05, release=0.7,
                     tones=((1.0, 1.0), (1.7, 0.8), (2.9, 0.6), (4.3, 0.5), (6.1, 0.3))),
        call=Pattern(900, 1500, 'down', ((0.025, 0.12),), (0.25, 0.4), count=3, rough=0.2, decay=2.0, attack=0.05,
                     release=0.7, tones=((1.0, 1.0), (1.7, 0.8), (2.9, 0.6), (4.3, 0.5)))),
    'hisser': dict(  # a band of noise
        song=Pattern(3000, 6000, 'arch', ((0.7, 0.2),), (1.0, 1.7), rough=0.15, attack=0.3, release=0.4),
        call=Pattern(3500, 6000, 'flat', ((0.3, 0.0),), (0.25, 0.4), count=1, rough=0.15)),
}

# Each in the band of a built-in species, whose syllables have another shape, length or order.
LOOK_ALIKES: dict[str, dict[str, Pattern]] = {
    'cuckoo': dict(  # of holowl and embdov: two notes
        song=Pattern(560, 600, 'flat', ((0.18, 0.1), (0.26, 0.6)), (0.9, 1.6), steps=(1.15, 0.92),
                     tones=((1.0, 1.0), (2.0, 0.12), (3.0, 0.05))),
        call=Pattern(540, 640, 'dip', ((0.3, 0.0),), (0.25, 0.4), count=1)),
    'upbell': dict(  # of lebfin and grbfin: bells that rise
        song=Pattern(2450, 2600, 'flat', ((0.15, 0.04),), (0.9, 1.5), steps=(0.84, 1.24), ladder=True, attack=0.1, release=0.5,
                     decay=1.6, tones=((1.0, 1.0), (2.0, 0.1), (3.0, 0.02)), vibrato=(26.0, 0.004)),
        call=Pattern(2450, 2850, 'up', ((0.28, 0.0),), (0.25, 0.4), count=1, attack=0.08, release=0.5, decay=1.5)),
    'slopip': dict(  # of gltpip and tinpip: arches, twice as long
        song=Pattern(3300, 5200, 'arch', ((0.15, 0.06),), (0.9, 1.5)),
        call=Pattern(3400, 5000, 'dip', ((0.2, 0.0),), (0.17, 0.28), count=1)),
}
