"""Numbers that others published for 4x on the benchmarks: shown beside what is measured here, and marked as theirs."""

from __future__ import annotations

# Ledig et al. 2017, arXiv 1609.04802v5, table 2 (methods run or images obtained by its authors): PSNR in dB and SSIM of
# luma, 4 pixels of border cut, by the daala package (section 3.1).
NUMBERS = {
    "Set5": {
        "bicubic": {"psnr_y": 28.43, "ssim_y": 0.8211},
        "SRCNN": {"psnr_y": 30.07, "ssim_y": 0.8627},
        "SelfExSR": {"psnr_y": 30.33, "ssim_y": 0.8720},
        "SRResNet": {"psnr_y": 32.05, "ssim_y": 0.9019},
        "SRGAN": {"psnr_y": 29.40, "ssim_y": 0.8472},
    },
    "Set14": {
        "bicubic": {"psnr_y": 25.99, "ssim_y": 0.7486},
        "SRCNN": {"psnr_y": 27.18, "ssim_y": 0.7861},
        "SelfExSR": {"psnr_y": 27.45, "ssim_y": 0.7972},
        "SRResNet": {"psnr_y": 28.49, "ssim_y": 0.8184},
        "SRGAN": {"psnr_y": 26.02, "ssim_y": 0.7397},
    },
    "BSD100": {
        "bicubic": {"psnr_y": 25.94, "ssim_y": 0.6935},
        "SRCNN": {"psnr_y": 26.68, "ssim_y": 0.7291},
        "SelfExSR": {"psnr_y": 26.83, "ssim_y": 0.7387},
        "SRResNet": {"psnr_y": 27.58, "ssim_y": 0.7620},
        "SRGAN": {"psnr_y": 25.16, "ssim_y": 0.6688},
    },
}
# How 26 people rated the pictures of Set14, from 1 (bad) to 5 (excellent), in the mean; table 2 too.
MEAN_OPINION_SCORES = {"Set14": {"bicubic": 1.80, "SRCNN": 2.26, "SelfExSR": 2.34, "SRResNet": 2.98, "SRGAN": 3.72}}
IMAGES = {"Set5": 5, "Set14": 14, "BSD100": 100}
SOURCE = (
    "Published: Ledig et al. 2017 (arXiv 1609.04802), table 2. Their SSIM is by another program (daala) and higher than "
    "ours of the same images, as the rows of bicubic show."
)

# Ma et al. 2020 (SPSR, CVPR), tables of its repository Maclory/SPSR: LPIPS (not the shift-tolerant one) and PSNR of luma, dB, 4x.
PERCEPTION = {
    "Set5": {
        "bicubic": {"psnr_y": 28.420, "lpips": 0.3407},
        "SFTGAN": {"psnr_y": 29.932, "lpips": 0.0890},
        "SRGAN": {"psnr_y": 29.168, "lpips": 0.0882},
        "ESRGAN": {"psnr_y": 30.454, "lpips": 0.0748},
        "NatSR": {"psnr_y": 30.991, "lpips": 0.0939},
        "SPSR": {"psnr_y": 30.400, "lpips": 0.0644},
    },
    "Set14": {
        "bicubic": {"psnr_y": 26.100, "lpips": 0.4393},
        "SFTGAN": {"psnr_y": 26.223, "lpips": 0.1481},
        "SRGAN": {"psnr_y": 26.171, "lpips": 0.1663},
        "ESRGAN": {"psnr_y": 26.276, "lpips": 0.1329},
        "NatSR": {"psnr_y": 27.514, "lpips": 0.1758},
        "SPSR": {"psnr_y": 26.640, "lpips": 0.1318},
    },
    "BSD100": {
        "bicubic": {"psnr_y": 25.961, "lpips": 0.5249},
        "SFTGAN": {"psnr_y": 25.505, "lpips": 0.1769},
        "SRGAN": {"psnr_y": 25.459, "lpips": 0.1980},
        "ESRGAN": {"psnr_y": 25.317, "lpips": 0.1614},
        "NatSR": {"psnr_y": 26.445, "lpips": 0.2114},
        "SPSR": {"psnr_y": 25.505, "lpips": 0.1611},
    },
}
PERCEPTION_SOURCE = "Ma et al. 2020 (SPSR)"
