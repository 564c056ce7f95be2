"""A claim of the paper, and the same on what stands in."""

from __future__ import annotations

from judging import CLAIMS, ORDER

from invbench.paper.printed import Contender


def test_a_proxy_is_the_same_statement_about_our_images_and_metrics() -> None:
    claim = CLAIMS[ORDER]
    proxy = claim.on_proxy("adm_photos")
    assert (claim.is_proxy, proxy.is_proxy) == (False, True)
    assert proxy.original is claim
    assert (proxy.benchmark, proxy.prior) == ("photos", "adm_photos")
    assert (proxy.images, proxy.iterations) == (0, {})
    assert (proxy.pairs, proxy.methods, proxy.says) == (claim.pairs, claim.methods, claim.says)


def test_what_the_paper_measures_by_fid_is_kid_where_it_stands_in() -> None:
    claim = CLAIMS["table8/ffhq256/sr4/fid"]
    assert claim.on_proxy("adm_photos").metric == "kid_alex"
    deblur = CLAIMS["table1-deblur-margin/ffhq256/deblur_ddrm_tiled/lpips"]
    assert deblur.on_proxy("adm_photos").task == "deblur"


def test_methods_are_our_solvers_and_the_noise_is_the_tables() -> None:
    claim = CLAIMS[ORDER]
    assert claim.table == 8
    assert claim.contenders == {"DAVI": Contender("davi"), "FPS": Contender("fps")}
    assert claim.noise == "gaussian 0.05 [-1,1]"
